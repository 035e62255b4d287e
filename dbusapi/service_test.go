// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

func TestSecondInstanceIsRefused(t *testing.T) {
	bus := dbustest.Start(t)
	first := start(t, bus, &fakeController{})
	former := first.former
	for name, f := range map[string]identity{
		"never on the bus":               {},
		"on the bus before":              {former.bus, ":1.99"},
		"by that name on a bus that was": {"other", former.name},
	} {
		second := newService(t, bus, &fakeController{})
		second.former = f
		if err := second.Run(t.Context(), func() { t.Error("ready") }); !errors.Is(err, ErrNameTaken) ||
			!strings.Contains(err.Error(), "org.clipos.Updater1 is taken") || ErrorName(err) != "Busy" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newClient(t, bus).Overview(t.Context()); err != nil {
		t.Fatalf("the first one: %v", err)
	}
}

func TestNoBusAtTheStartIsAnError(t *testing.T) {
	s := New(Options{Address: "unix:path=" + filepath.Join(t.TempDir(), "none"), Log: slog.New(slog.DiscardHandler)}, &fakeController{})
	if err := s.Run(t.Context(), func() { t.Error("ready") }); !errors.Is(err, ErrNoBus) {
		t.Fatalf("%v", err)
	}
}

// Pitfall 6: a bus that accepts and says nothing holds nobody up for ever.
func TestSilentBusDoesNotOutliveTheContext(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "bus")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if _, err := listener.Accept(); err == nil {
			cancel()
		}
	}()
	s := New(Options{Address: "unix:path=" + socket, Log: slog.New(slog.DiscardHandler)}, &fakeController{})
	if err := s.Run(ctx, func() { t.Error("ready") }); err != nil {
		t.Fatalf("%v", err)
	}
}

// Pitfall 6: the bus goes away in the middle of a job: the job goes on, and what happened
// meanwhile is told once when the name is back.
func TestBusRestart(t *testing.T) {
	bus := dbustest.Start(t)
	s := start(t, bus, &fakeController{})
	s.Publish(updater.Overview{State: updater.StateUpdating, Transaction: "t1"})
	bus.Stop()
	s.Publish(updater.Overview{State: updater.StateRebootRequired, PendingVersion: "5.0.0"})
	s.Emit(updater.ProgressEvent{Transaction: "t1"})
	want := []Event{
		updater.CompletedEvent{Transaction: "t1", Version: "5.0.0"},
		updater.RebootRequiredEvent{Version: "5.0.0"},
		updater.RolledBackEvent{From: "5.0.0", To: "4.9.0"},
		updater.CompletedEvent{Transaction: "last"},
	}
	for _, e := range want[:3] {
		s.Emit(e.(updater.Event))
	}

	bus.Restart(t)
	events := eventsOf(t, newClient(t, bus))
	s.Emit(want[3].(updater.Event))
	var told []Event
	var seen Overview
	for seen.State == "" || !slices.Contains(told, want[3]) {
		switch e := (<-events).(type) {
		case Changed:
			seen = e.Overview
		case Vanished, Returned:
		default:
			told = append(told, e)
		}
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %+v, want %+v", told, want)
	}
	if seen.State != updater.StateRebootRequired || seen.PendingVersion != "5.0.0" {
		t.Errorf("%+v", seen)
	}
}

// What could not be told on a connection that has ended is told on the next.
func TestFailedTellingIsRepeated(t *testing.T) {
	bus := dbustest.Start(t)
	s := newService(t, bus, &fakeController{})
	s.publishFirst()
	l, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.bus.close()
	want := updater.CompletedEvent{Transaction: "t1"}
	s.Emit(want)
	if err := s.tellAll(t.Context(), l); err == nil {
		t.Error("told to nobody")
	}
	if e, _, _ := s.outbox.take(noon); e.event != want {
		t.Errorf("%+v is left", e)
	}
}

// What was emitted before there was a bus is told right after the name is owned.
func TestEmittedBeforeTheStart(t *testing.T) {
	bus := dbustest.Start(t)
	events, err := newClient(t, bus).Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := (<-events).(Vanished); !ok {
		t.Fatal("the service is not there yet")
	}
	s := newService(t, bus, &fakeController{})
	s.Emit(updater.CompletedEvent{Transaction: "t0", Err: updater.ErrInterrupted})
	run(t, s)
	for e := range events {
		if e, ok := e.(updater.CompletedEvent); ok {
			if e.Transaction != "t0" || !errors.Is(e.Err, updater.ErrInterrupted) {
				t.Errorf("%+v", e)
			}
			return
		}
	}
}

// The end of Run tells what is left to tell.
func TestEndOfRunTellsTheRest(t *testing.T) {
	bus := dbustest.Start(t)
	s := newService(t, bus, &fakeController{})
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	<-ready
	events, err := newClient(t, bus).Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		s.Publish(updater.Overview{State: updater.StateUpdating, Status: updater.Status{Progress: float64(i) / 100}})
	}
	s.Emit(updater.CompletedEvent{Transaction: "t1", Err: updater.ErrCancelled})
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for e := range events {
		switch e := e.(type) {
		case updater.CompletedEvent:
			if !errors.Is(e.Err, updater.ErrCancelled) {
				t.Errorf("%+v", e)
			}
			return
		case Vanished:
			t.Fatal("gone without Completed")
		}
	}
}

// Pitfall 4: publishing and emitting never wait, bus or no bus; the library's own
// properties would panic here.
func TestPublishWithoutABus(t *testing.T) {
	bus := dbustest.Start(t)
	s := start(t, bus, &fakeController{})
	bus.Stop()
	for i := range 10_000 {
		s.Publish(updater.Overview{Status: updater.Status{BytesDone: int64(i)}})
		s.Emit(updater.ProgressEvent{Transaction: "t1", Status: updater.Status{BytesDone: int64(i)}})
	}
}

// Pitfall 4: everybody reads while the state changes; the race detector watches.
func TestReadsWhilePublishing(t *testing.T) {
	bus := dbustest.Start(t)
	s := start(t, bus, &fakeController{})
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				s.Publish(updater.Overview{Status: updater.Status{BytesDone: int64(i), BytesTotal: int64(i)}})
			}
		}
	})
	client := newClient(t, bus)
	for range 300 {
		o, err := client.Overview(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if o.Status.BytesDone != o.Status.BytesTotal {
			t.Fatalf("of two moments: %d and %d", o.Status.BytesDone, o.Status.BytesTotal)
		}
	}
	close(stop)
	publishing.Wait()
}

// One change is one signal, with what changed and nothing else.
func TestPropertiesChanged(t *testing.T) {
	bus := dbustest.Start(t)
	s := start(t, bus, &fakeController{})
	conn := rawConn(t, bus)
	if err := conn.AddMatchSignal(dbus.WithMatchInterface(propertiesInterface)); err != nil {
		t.Fatal(err)
	}
	signals := make(chan *dbus.Signal, 10)
	conn.Signal(signals)
	s.Publish(updater.Overview{State: updater.StateIdle, OSName: "clipos"})
	s.Publish(updater.Overview{State: updater.StateIdle, OSName: "clipos"})
	s.Publish(updater.Overview{
		State: updater.StateUpdating, OSName: "clipos", Transaction: "t1",
		Status: updater.Status{Stage: updater.StageChecking},
	})
	for _, want := range []dict{
		{"State": dbus.MakeVariant("idle")},
		{"State": dbus.MakeVariant("updating"), "Transaction": dbus.MakeVariant("t1"), "Stage": dbus.MakeVariant("checking")},
	} {
		got := <-signals
		if got.Path != Path || got.Body[0] != Interface || len(got.Body[2].([]string)) != 0 {
			t.Errorf("%+v", got)
		}
		changed := got.Body[1].(dict)
		if len(changed) != len(want) {
			t.Errorf("%v, want %v", changed, want)
		}
		for name, value := range want {
			if changed[name] != value {
				t.Errorf("%s is %v", name, changed[name])
			}
		}
	}
	select {
	case extra := <-signals:
		t.Errorf("one more: %+v", extra)
	case <-time.After(0):
	}
}
