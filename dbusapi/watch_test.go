// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// next is the next event, which is to be a T.
func next[T any](t *testing.T, events <-chan Event) T {
	t.Helper()
	e, ok := <-events
	if !ok {
		t.Fatalf("closed, want a %T", *new(T))
	}
	wanted, ok := e.(T)
	if !ok {
		t.Fatalf("%#v, want a %T", e, wanted)
	}
	return wanted
}

func watching(t *testing.T, bus *dbustest.Bus) <-chan Event {
	t.Helper()
	return eventsOf(t, newClient(t, bus))
}

func eventsOf(t *testing.T, c *Client) <-chan Event {
	t.Helper()
	events, err := c.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// The life of a service as somebody who watches sees it.
func TestWatch(t *testing.T) {
	bus := dbustest.Start(t)
	events := watching(t, bus)
	next[Vanished](t, events)

	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		s := newService(t, bus, &fakeController{overview: updater.Overview{State: updater.StateIdle}})
		done := make(chan error)
		go func() { done <- s.Run(ctx, func() {}) }()
		next[Returned](t, events)
		if o := next[Changed](t, events).Overview; o.State != updater.StateIdle || o.DaemonVersion != "1.2.3" {
			t.Errorf("%+v", o)
		}
		s.Publish(updater.Overview{State: updater.StateChecking, AvailableVersion: "5.0.0"})
		if o := next[Changed](t, events).Overview; o.State != updater.StateChecking || o.AvailableVersion != "5.0.0" {
			t.Errorf("%+v", o)
		}
		for _, e := range allEvents {
			s.Emit(e)
			if got := <-events; got != Event(e) {
				t.Errorf("%#v, want %#v", got, e)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		next[Vanished](t, events)
	}
}

func TestWatchBeginsWithThePresentState(t *testing.T) {
	bus := dbustest.Start(t)
	s := start(t, bus, &fakeController{})
	s.Publish(sampleOverview())
	if o := next[Changed](t, watching(t, bus)).Overview; o.Transaction != "t1" || o.Status.BytesTotal != 400 {
		t.Errorf("%+v", o)
	}
}

// Somebody else sends what looks like the service's signals.
func TestWatchBelievesTheServiceAlone(t *testing.T) {
	bus := dbustest.Start(t)
	s := start(t, bus, &fakeController{})
	client := newClient(t, bus)
	events := eventsOf(t, client)
	next[Changed](t, events)
	liar := rawConn(t, bus)
	for _, e := range []updater.Event{
		updater.CompletedEvent{Transaction: "t1", Version: "6.6.6"},
		updater.RebootRequiredEvent{Version: "6.6.6"},
	} {
		name, args := signal(e)
		lie := &dbus.Message{
			Type: dbus.TypeSignal,
			Headers: map[dbus.HeaderField]dbus.Variant{
				dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(Path)),
				dbus.FieldInterface:   dbus.MakeVariant(Interface),
				dbus.FieldMember:      dbus.MakeVariant(name),
				dbus.FieldDestination: dbus.MakeVariant(client.bus.Names()[0]),
				dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(args...)),
			},
			Body: args,
		}
		liar.Send(lie, nil)
	}
	// The bus has passed the lies on once it has answered.
	if err := liar.BusObject().Call("org.freedesktop.DBus.GetId", 0).Err; err != nil {
		t.Fatal(err)
	}
	s.Emit(updater.RebootRequiredEvent{Version: "5.0.0"})
	if e := next[updater.RebootRequiredEvent](t, events); e.Version != "5.0.0" {
		t.Errorf("believed: %+v", e)
	}
}

func TestWatchEnds(t *testing.T) {
	bus := dbustest.Start(t)
	start(t, bus, &fakeController{})
	client := newClient(t, bus)

	ctx, cancel := context.WithCancel(t.Context())
	events, err := client.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	next[Changed](t, events)
	cancel()
	if e, ok := <-events; ok {
		t.Errorf("after the end of the context: %#v", e)
	}

	events = eventsOf(t, client)
	next[Changed](t, events)
	bus.Stop()
	for e := range events {
		t.Errorf("after the end of the bus: %#v", e)
	}
	if _, err := client.Overview(t.Context()); ErrorName(err) != "NoServer" {
		t.Errorf("a call after the end of the bus: %v", err)
	}
}

// The answer with all properties may be older than a change that came before
// it. The change counts.
func TestWatchLosesNoChange(t *testing.T) {
	bus := dbustest.Start(t)
	service := rawConn(t, bus)
	getAll := func(string) (dict, *dbus.Error) {
		changed := dict{"State": dbus.MakeVariant("updating")}
		if err := service.Emit(Path, propertiesInterface+".PropertiesChanged", Interface, changed, []string{}); err != nil {
			t.Error(err)
		}
		return dict{"State": dbus.MakeVariant("idle"), "Stage": dbus.MakeVariant("done")}, nil
	}
	if err := service.ExportMethodTable(map[string]any{"GetAll": getAll}, Path, propertiesInterface); err != nil {
		t.Fatal(err)
	}
	if _, err := service.RequestName(BusName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	events := watching(t, bus)
	next[Changed](t, events)
	if o := next[Changed](t, events).Overview; o.State != updater.StateUpdating || o.Status.Stage != updater.StageDone {
		t.Errorf("%+v", o)
	}
}

// Nobody reads the events for a while: they are all there later.
func TestWatchKeepsEvents(t *testing.T) {
	bus := dbustest.Start(t)
	s := start(t, bus, &fakeController{})
	client := newClient(t, bus)
	events := eventsOf(t, client)
	for range 1000 {
		s.Emit(updater.RebootRequiredEvent{Version: "5.0.0"})
	}
	if _, err := client.Overview(t.Context()); err != nil {
		t.Fatal(err)
	}
	next[Changed](t, events)
	for range 1000 {
		next[updater.RebootRequiredEvent](t, events)
	}
}
