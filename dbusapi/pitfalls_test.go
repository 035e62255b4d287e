// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// What the library does that a root daemon must not, one test each.

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// The library never closes a descriptor that it is sent. The bus does not even
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

// A 16 MiB message would cost ten times that. It is not even looked at.
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

// A dictionary with a boolean for its key is a valid message, and the end of
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

// The library starts a goroutine for each call. At most callSlots of them get
// as far as the controller; the others are told so, and reading goes on.
func TestThousandCallsAtOnce(t *testing.T) {
	bus := dbustest.Start(t)
	release := make(chan struct{})
	var running, most atomic.Int32
	var full sync.WaitGroup
	full.Add(callSlots)
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
	for range callSlots {
		go ask()
	}
	full.Wait()
	for range 1000 - callSlots {
		go ask()
	}
	for range 1000 - callSlots {
		// The bus itself refuses some: it bounds the replies one caller waits for.
		if err := <-answers; ErrorName(err) != "LimitsExceeded" {
			t.Fatalf("%v", err)
		}
	}
	if _, err := client.Overview(t.Context()); err != nil {
		t.Errorf("nobody can read any more: %v", err)
	}
	close(release)
	for range callSlots {
		if err := <-answers; err != nil {
			t.Errorf("%v", err)
		}
	}
	if n := most.Load(); n != callSlots {
		t.Errorf("%d ran at once", n)
	}
	for runtime.NumGoroutine() > before+10 { // the test's time limit ends this
		runtime.Gosched()
	}
}

// deafConn is a connection whose owner stops reading.
type deafConn struct {
	net.Conn
	deaf  atomic.Bool
	ended chan struct{}
}

func (c *deafConn) Read(p []byte) (int, error) {
	if c.deaf.Load() {
		<-c.ended
		return 0, net.ErrClosed
	}
	return c.Conn.Read(p)
}

// deafen connects a caller that asks for the properties many times and never
// reads an answer.
func deafen(t *testing.T, bus *dbustest.Bus) {
	t.Helper()
	path, err := socketPath(bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	deaf := &deafConn{Conn: socket, ended: make(chan struct{})}
	t.Cleanup(func() { close(deaf.ended) })
	conn, err := dbus.NewConn(deaf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := errors.Join(conn.Auth(nil), conn.Hello()); err != nil {
		t.Fatal(err)
	}
	deaf.deaf.Store(true)
	for range 2000 {
		conn.Object(BusName, Path).Go(propertiesInterface+".GetAll", 0, make(chan *dbus.Call, 1), Interface)
	}
}

// A caller that never reads what it asks for fills its queue in the bus until
// the bus takes no more for it. Others do not notice.
func TestCallerThatNeverReads(t *testing.T) {
	bus := dbustest.StartWith(t, dbustest.Open+`<limit name="max_outgoing_bytes">200000</limit>`)
	start(t, bus, &fakeController{})
	deafen(t, bus)
	client := newClient(t, bus)
	for range 100 {
		if _, err := client.Overview(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// Before that, the bus may stop listening to the service instead. The service
// leaves and comes back, and can be reached again.
func TestBusThatStopsListening(t *testing.T) {
	bus := dbustest.StartWith(t, dbustest.Open+`<limit name="max_incoming_bytes">200000</limit>`)
	s := newService(t, bus, &fakeController{})
	s.pulse = 200 * time.Millisecond
	run(t, s)
	client := newClient(t, bus)
	events := eventsOf(t, client)
	deafen(t, bus)
	for e := range events {
		if _, ok := e.(Returned); ok {
			break
		}
	}
	if _, err := client.Overview(t.Context()); err != nil {
		t.Fatal(err)
	}
}
