// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// What the library does that a root daemon must not. The tests name the pitfall
// by its number:
//
//  1. Each call that carries a descriptor leaks it, even to an unknown method.
//  2. A message of 16 MiB costs ten times that, and seconds.
//  3. A handler's panic ends the process, and goroutines have no limit.
//  4. Its implementation of properties panics when the bus is gone, races on
//     values that are maps, merges instead of replacing, and has error names of
//     its own.
//  5. Export publishes every method that returns *dbus.Error.
//  6. A call has no limit in time, and a lost bus is not dialled again.

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Pitfall 1: the library never closes a descriptor that it is sent. The bus does not even
// deliver one here.
func TestDescriptorsAreNotTaken(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	start(t, bus, c)
	// A caller each: the bus goes on waiting for the replies to what it refused.
	callers := map[string]*dbus.Conn{}
	for _, method := range []string{Interface + ".Cancel", Interface + ".Nope", peerInterface + ".Ping"} {
		callers[method] = rawConn(t, bus)
		if !callers[method].SupportsUnixFDs() {
			t.Fatal("the caller cannot send descriptors")
		}
	}
	before := openDescriptors(t)
	for method, conn := range callers {
		for range 100 {
			err := conn.Object(BusName, Path).Call(method, 0, dbus.UnixFD(0)).Err
			if got := errorNameOf(t, err); got != standardErrorPrefix+"NotSupported" {
				t.Fatalf("%s: %v", got, err)
			}
		}
	}
	if after := openDescriptors(t); after > before {
		t.Errorf("%d descriptors more", after-before)
	}
	if asked := c.calls(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
}

// Pitfall 2: a 16 MiB message would cost ten times that. It is not even looked at.
func TestHugeMessageIsDropped(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	start(t, bus, c)
	object := rawConn(t, bus).Object(BusName, Path)
	huge := object.Go(Interface+".Update", 0, nil, strings.Repeat("x", 16<<20), dict{})
	for range 100 {
		if err := object.Call(Interface+".Update", 0, "5.0.0", dict{}).Err; err != nil {
			t.Fatal(err)
		}
	}
	if asked := c.calls(); !slices.Equal(asked, slices.Repeat([]string{"update 5.0.0"}, 100)) {
		t.Errorf("asked %d times", len(asked))
	}
	select {
	case <-huge.Done:
		t.Errorf("answered: %v", huge.Err)
	default:
	}
}

// Near pitfall 2: a dictionary with a boolean for its key is a valid message, and the end of
// the connection for the library.
func TestUndecodableMessageIsDropped(t *testing.T) {
	bus := dbustest.Start(t)
	start(t, bus, &fakeController{})
	var owner string
	conn := rawConn(t, bus)
	if err := conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, BusName).Store(&owner); err != nil {
		t.Fatal(err)
	}
	// The library cannot send it either.
	_, complaints, _ := bus.Busctl(t, dbustest.Nobody, "call", "--expect-reply=no", owner, Path, peerInterface, "Ping", "a{bs}", "1", "true", "x")
	if complaints != "" {
		t.Fatal(complaints)
	}
	if err := conn.Object(owner, Path).Call(peerInterface+".Ping", 0).Err; err != nil {
		t.Fatalf("the connection was given up: %v", err)
	}
}

// Pitfall 3: a panic ends one call.
func TestPanicIsAnAnswer(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{check: func(context.Context) (updater.Check, error) { panic("boom") }}
	start(t, bus, c)
	client := newClient(t, bus)
	for range 2 * callSlots {
		if _, err := client.Check(t.Context()); ErrorName(err) != "Internal" {
			t.Fatalf("%v", err)
		}
	}
	if _, err := client.ListVersions(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Pitfall 3: the library starts a goroutine for each call. At most querySlots of them get
// as far as the controller; the others are told so, and reading goes on.
func TestThousandCallsAtOnce(t *testing.T) {
	bus := dbustest.Start(t)
	release := make(chan struct{})
	var running, most atomic.Int32
	var full sync.WaitGroup
	full.Add(querySlots)
	c := &fakeController{list: func(context.Context) ([]updater.Installed, error) {
		n := running.Add(1)
		defer running.Add(-1)
		most.Store(max(most.Load(), n))
		full.Done()
		<-release
		return nil, nil
	}}
	start(t, bus, c)
	client := newClient(t, bus)
	before := runtime.NumGoroutine()
	answers := make(chan error)
	ask := func() { _, err := client.ListVersions(t.Context()); answers <- err }
	for range querySlots {
		go ask()
	}
	full.Wait()
	for range 1000 - querySlots {
		go ask()
	}
	for range 1000 - querySlots {
		// The bus itself refuses some: it bounds the replies one caller waits for.
		if err := <-answers; ErrorName(err) != "LimitsExceeded" {
			t.Fatalf("%v", err)
		}
	}
	if _, err := client.Overview(t.Context()); err != nil {
		t.Errorf("nobody can read any more: %v", err)
	}
	if _, err := newClient(t, bus).Check(t.Context()); err != nil {
		t.Errorf("nobody can act any more: %v", err)
	}
	close(release)
	for range querySlots {
		if err := <-answers; err != nil {
			t.Errorf("%v", err)
		}
	}
	if n := most.Load(); n != querySlots {
		t.Errorf("%d ran at once", n)
	}
	for runtime.NumGoroutine() > before+10 { // the test's time limit ends this
		runtime.Gosched()
	}
}

// Pitfall 4: one list replaces the other, and nothing of the old one stays.
func TestListsAreReplaced(t *testing.T) {
	bus := dbustest.Start(t)
	s := start(t, bus, &fakeController{})
	client := newClient(t, bus)
	events := eventsOf(t, client)
	next[Changed](t, events)
	for _, want := range [][]string{{"4.9.1", "4.9.0"}, {"4.8.0"}, {}} {
		s.Publish(updater.Overview{FailedVersions: want})
		told := next[Changed](t, events).Overview.FailedVersions
		o, err := client.Overview(t.Context())
		if err != nil || !slices.Equal(o.FailedVersions, want) || !slices.Equal(told, want) {
			t.Errorf("read %q, told %q, want %q (%v)", o.FailedVersions, told, want, err)
		}
	}
}

// Pitfall 5: nothing that is public in Go is public on the bus by that.
func TestNothingElseIsOnTheBus(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	start(t, bus, c)
	object := rawConn(t, bus).Object(BusName, Path)
	described := map[string]bool{}
	for _, m := range describedInterface(t, Interface).Methods {
		described[m.Name] = true
	}
	for _, of := range []reflect.Type{reflect.TypeFor[*Service](), reflect.TypeFor[Controller](), reflect.TypeFor[*link]()} {
		for i := range of.NumMethod() {
			name := of.Method(i).Name
			if described[name] {
				continue
			}
			for _, iface := range []string{Interface, propertiesInterface, introspectableInterface} {
				err := object.Call(iface+"."+name, 0).Err
				if got := errorNameOf(t, err); got != standardErrorPrefix+"UnknownMethod" {
					t.Errorf("%s.%s: %v", iface, name, err)
				}
			}
		}
	}
	if asked := c.calls(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
}
