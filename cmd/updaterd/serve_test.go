// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/daemon"
	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/test/keys"
	"github.com/clipos/updater/test/tlsserver"
	"github.com/clipos/updater/updater"
)

// TestServe is an update as systemd sees it, with everything real but the
// disk.
func TestServe(t *testing.T) {
	server, err := tlsserver.Start(t.Context(), tlsserver.Options{Handler: tlsserver.Files("../../test/webroot")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	bus, systemd := dbustest.Start(t), listen(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	root := makeSystem(t, server.URL, server.AuthorityPEM, keys.Public())
	o := options{paths: updater.NewPaths(root, "", "", ""), bus: bus.Address}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- serve(ctx, o, slog.New(slog.DiscardHandler)) }()

	wantMessages(t, systemd.until("READY"), "STATUS=not checked yet", "READY=1")
	systemd.until("WATCHDOG=1")
	client := dial(t, bus)
	if _, err := client.Update(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	const end = newer + " is installed, reboot to use it"
	wantMessages(t, oncePerStage(systemd.until("STATUS="+end)),
		"STATUS=checking for", "STATUS="+newer+" is",
		"STATUS=checking "+newer, "STATUS=fetching "+newer, "STATUS=verifying "+newer, "STATUS=installing "+newer,
		"STATUS=swapping "+newer, "STATUS=done "+newer, "STATUS="+newer+" is")
	view, err := client.Overview(t.Context())
	if err != nil || view.State != updater.StateRebootRequired || view.PendingVersion != newer {
		t.Errorf("on the bus: %+v, %v", view, err)
	}
	systemd.until("WATCHDOG=1")
	stop()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	mark(t, "TEST=ended")
	wantMessages(t, systemd.until("TEST=ended"), "STOPPING=1\nSTATUS=stopping", "TEST=ended")
	if _, err := os.Stat(root + "/mnt/EFI/clipos-" + newer + ".efi"); err != nil {
		t.Error(err)
	}
}

// oncePerStage leaves out the numbers in status lines, and the lines that then
// say nothing new.
func oncePerStage(messages []string) (kept []string) {
	for _, m := range messages {
		words := strings.Fields(m)
		m = strings.TrimSuffix(strings.Join(words[:min(2, len(words))], " "), ":")
		if len(kept) == 0 || kept[len(kept)-1] != m {
			kept = append(kept, m)
		}
	}
	return kept
}

func dial(t *testing.T, bus *dbustest.Bus) *dbusapi.Client {
	t.Helper()
	client, err := dbusapi.Dial(t.Context(), bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// begin runs a daemon with a fake engine on the bus.
func begin(ctx context.Context, e *fakeEngine, address string) <-chan error {
	log := slog.New(slog.DiscardHandler)
	d := daemon.New(daemon.Options{
		Engine: e, OSName: "clipos", RunningVersion: running, Log: log, Notify: notify,
		Rules:        policy.Rules{Mode: policy.ModeCheck, Interval: time.Hour, FirstCheck: time.Hour, StaleAfter: time.Hour},
		BootComplete: bootComplete(address),
	})
	service := dbusapi.New(dbusapi.Options{Address: address, DaemonVersion: "test", Log: log}, d)
	d.Attach(service)
	ended := make(chan error, 1)
	go func() { ended <- runBoth(ctx, d, service) }()
	return ended
}

// await returns the first event that is wanted.
func await(t *testing.T, events <-chan dbusapi.Event, wanted func(dbusapi.Event) bool) dbusapi.Event {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case e := <-events:
			if wanted(e) {
				return e
			}
		case <-late:
			t.Fatal("what was awaited was not signalled")
		}
	}
}

func isCompleted(e dbusapi.Event) bool { _, ok := e.(updater.CompletedEvent); return ok }
func isReturned(e dbusapi.Event) bool  { _, ok := e.(dbusapi.Returned); return ok }
func isVanished(e dbusapi.Event) bool  { _, ok := e.(dbusapi.Vanished); return ok }
func isReboot(e dbusapi.Event) bool    { _, ok := e.(updater.RebootRequiredEvent); return ok }

// TestInterrupted: how an update ended that a crash cut short is heard by
// whoever listened before the daemon came back.
func TestInterrupted(t *testing.T) {
	bus, systemd, e := dbustest.Start(t), listen(t), newEngine(t)
	e.record.Unfinished = &updater.Transaction{ID: "t1", Version: newer}
	events, err := dial(t, bus).Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await(t, events, isVanished)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := begin(ctx, e, bus.Address)
	got, _ := await(t, events, isCompleted).(updater.CompletedEvent)
	if got.Transaction != "t1" || got.Version != newer || !errors.Is(got.Err, updater.ErrInterrupted) {
		t.Errorf("completed: %+v", got)
	}
	wantMessages(t, systemd.until("READY"), "TEST=recovered", "STATUS=interrupted before it was finished", "READY=1")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if u := e.Record().Unfinished; u != nil {
		t.Errorf("%v was not struck off", u)
	}
}

// TestStoppedInTheSwap: the bus hears how the last job ended before the
// daemon leaves it.
func TestStoppedInTheSwap(t *testing.T) {
	bus, systemd, e := dbustest.Start(t), listen(t), newEngine(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := begin(ctx, e, bus.Address)
	systemd.until("READY=1")
	client := dial(t, bus)
	events, err := client.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	transaction, err := client.Update(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	<-e.inSwap
	if err := client.Cancel(t.Context(), transaction); !errors.Is(err, updater.ErrNotCancelable) {
		t.Errorf("cancelled in the swap: %v", err)
	}
	stop()
	last := systemd.until("STOPPING=1\n")
	if got := last[len(last)-1]; !strings.Contains(got, "\nEXTEND_TIMEOUT_USEC=") {
		t.Errorf("%q without EXTEND_TIMEOUT_USEC", got)
	}
	close(e.goOn)
	got, _ := await(t, events, isCompleted).(updater.CompletedEvent)
	if got.Transaction != transaction || got.Err != nil {
		t.Errorf("completed: %+v", got)
	}
	await(t, events, isReboot)
	await(t, events, isVanished)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	mark(t, "TEST=ended")
	wantMessages(t, systemd.until("TEST=ended"), "TEST=ended")
}

// TestNoBus: a daemon that nobody can reach touches nothing.
func TestNoBus(t *testing.T) {
	bus := dbustest.Start(t)
	listen(t)
	ctx, stop := context.WithCancel(t.Context())
	first := newEngine(t)
	ended := begin(ctx, first, bus.Address)
	awaitName(t, bus)
	tests := map[string]struct {
		address string
		err     error
	}{
		"no bus":        {"unix:path=" + t.TempDir() + "/none", dbusapi.ErrNoBus},
		"second daemon": {bus.Address, dbusapi.ErrNameTaken},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			if err := <-begin(t.Context(), e, test.address); !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			if e.recovered {
				t.Error("it began to put the disk in order")
			}
		})
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// awaitName returns when the service is on the bus.
func awaitName(t *testing.T, bus *dbustest.Bus) {
	t.Helper()
	events, err := dial(t, bus).Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await(t, events, func(e dbusapi.Event) bool { _, ok := e.(dbusapi.Changed); return ok })
}

// TestStoppedBeforeTheStart is no error.
func TestStoppedBeforeTheStart(t *testing.T) {
	bus := dbustest.Start(t)
	listen(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := <-begin(ctx, newEngine(t), bus.Address); err != nil {
		t.Error(err)
	}
}

// TestNoServiceManager: a daemon started by hand tells nobody.
func TestNoServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notify("READY=1"); err != nil {
		t.Error(err)
	}
}
