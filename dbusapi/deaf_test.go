// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

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

// deafen connects somebody who listens to the signals, asks for the properties as
// often as given, and never reads anything.
func deafen(t *testing.T, bus *dbustest.Bus, questions int) {
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
	if err := conn.AddMatchSignal(dbus.WithMatchInterface(Interface)); err != nil {
		t.Fatal(err)
	}
	deaf.deaf.Store(true)
	for range questions {
		conn.Object(BusName, Path).Go(propertiesInterface+".GetAll", 0, make(chan *dbus.Call, 1), Interface)
	}
}

// A caller that never reads what it asks for fills its queue in the bus until
// the bus takes no more for it. Others do not notice.
func TestCallerThatNeverReads(t *testing.T) {
	bus := dbustest.StartWith(t, dbustest.Open+`<limit name="max_outgoing_bytes">200000</limit>`)
	start(t, bus, &fakeController{})
	deafen(t, bus, 2000)
	client := newClient(t, bus)
	for range 100 {
		if _, err := client.Overview(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// The same for one who listens to the signals and never reads them: others are
// told all of them.
func TestListenerThatNeverReads(t *testing.T) {
	bus := dbustest.StartWith(t, dbustest.Open+`<limit name="max_outgoing_bytes">200000</limit>`)
	s := start(t, bus, &fakeController{})
	deafen(t, bus, 0)
	events := watching(t, bus)
	next[Changed](t, events)
	long := errors.New(strings.Repeat("x", maxTextBytes))
	for i := range 2000 { // two megabytes
		want := fmt.Sprint(i)
		s.Emit(updater.CompletedEvent{Transaction: want, Err: long})
		if e := next[updater.CompletedEvent](t, events); e.Transaction != want {
			t.Fatalf("%q, want %q", e.Transaction, want)
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
	deafen(t, bus, 2000)
	for e := range events {
		if _, ok := e.(Returned); ok {
			break
		}
	}
	if _, err := client.Overview(t.Context()); err != nil {
		t.Fatal(err)
	}
}
