// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// fakeController records what it is asked; each answer can be replaced.
type fakeController struct {
	check  func(context.Context) (updater.Check, error)
	update func(context.Context, string) (string, error)
	cancel func(context.Context, string) error
	list   func(context.Context) ([]updater.Installed, error)
	// err is the answer of all that have no function.
	err error

	mu       sync.Mutex
	asked    []string
	overview updater.Overview
}

func (f *fakeController) record(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, call)
}

// calls is what was asked so far.
func (f *fakeController) calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.asked...)
}

func (f *fakeController) setOverview(o updater.Overview) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.overview = o
}

func (f *fakeController) Check(ctx context.Context) (updater.Check, error) {
	f.record("check")
	if f.check != nil {
		return f.check(ctx)
	}
	return updater.Check{Available: true, Version: "5.0.0", Running: "4.9.0", DownloadBytes: 1 << 30}, nil
}

func (f *fakeController) Update(ctx context.Context, version string) (string, error) {
	f.record("update " + version)
	if f.update != nil {
		return f.update(ctx, version)
	}
	return "t1", nil
}

func (f *fakeController) Cancel(ctx context.Context, transaction string) error {
	f.record("cancel " + transaction)
	if f.cancel != nil {
		return f.cancel(ctx, transaction)
	}
	return nil
}

func (f *fakeController) ListVersions(ctx context.Context) ([]updater.Installed, error) {
	f.record("list")
	if f.list != nil {
		return f.list(ctx)
	}
	return []updater.Installed{
		{
			Version: "4.9.0", State: updater.InstalledRunning, Volume: "core_4.9.0",
			Entry: "clipos-4.9.0+3-0.efi", SizeBytes: 4 << 30, TriesLeft: 3, TriesDone: 0,
		},
		{Version: "4.8.0", State: updater.InstalledIncomplete, Volume: "core_4.8.0", SizeBytes: 4 << 30, TriesLeft: -1, TriesDone: -1},
	}, nil
}

// samplePlan and sampleHistory have a value in every field.
var (
	samplePlan = updater.Plan{
		Version: "5.0.0", Method: updater.MethodZstd, DownloadBytes: 1 << 30, ReuseBytes: 1 << 20, WriteBytes: 1200 << 20,
		Volume: "core_5.0.0", Entry: "clipos-5.0.0.efi",
		ReplacedVolume: "core_4.8.0", Reason: "the oldest that is not in use", ReplacedEntries: []string{"clipos-4.8.0.efi"},
		CacheBytes: 1 << 30, ESPBytes: 64 << 20, GroupBytes: 1,
		Blockers: []updater.Blocker{{Code: "held", Text: "held: audit"}},
	}
	sampleHistory = []updater.HistoryEntry{
		{
			Transaction: "t0", Version: "4.9.0", From: "4.8.0", Started: noon.Add(-time.Hour), Finished: noon,
			Result: updater.ResultFailed, ErrorName: "TooSlow", Message: "the server sent too little", Bytes: 17,
		},
		{Transaction: "t-1", Version: "4.8.0", From: "4.7.0", Result: updater.ResultInstalled},
	}
)

func (f *fakeController) Plan(_ context.Context, version string) (updater.Plan, error) {
	f.record("plan " + version)
	return samplePlan, f.err
}

func (f *fakeController) Rollback(_ context.Context, version string) (string, error) {
	f.record("rollback " + version)
	return "4.8.0", f.err
}

func (f *fakeController) MarkBoot(_ context.Context, good bool, reason string) error {
	f.record(fmt.Sprintf("mark %t %s", good, reason))
	return f.err
}

func (f *fakeController) Hold(_ context.Context, reason string, until time.Time) error {
	f.record(fmt.Sprintf("hold %s %d", reason, micros(until)))
	return f.err
}

func (f *fakeController) Unhold(context.Context) error {
	f.record("unhold")
	return f.err
}

func (f *fakeController) History(_ context.Context, limit int) ([]updater.HistoryEntry, error) {
	f.record(fmt.Sprintf("history %d", limit))
	return sampleHistory, f.err
}

func (f *fakeController) ForgetFailure(_ context.Context, version string) error {
	f.record("forget " + version)
	return f.err
}

func (f *fakeController) Reload(context.Context) error {
	f.record("reload")
	return f.err
}

func (f *fakeController) Overview() updater.Overview {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.overview
}

// noon is the time in sampleOverview.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 123000, time.UTC)

// sampleOverview has a value in every field that a property shows.
func sampleOverview() updater.Overview {
	return updater.Overview{
		OSName: "clipos", RunningVersion: "4.9.0", State: updater.StateUpdating, Transaction: "t1",
		Status: updater.Status{
			Stage: updater.StageFetching, Progress: 0.25, BytesDone: 100, BytesTotal: 400,
			BytesPerSecond: 50, Remaining: 6 * time.Second, Cancelable: true,
		},
		AvailableVersion: "5.0.0", PendingVersion: "4.9.5", FallbackVersion: "4.8.0", RebootRequired: true,
		LastError: updater.ErrBusy, LastCheck: noon, LastSuccess: noon.Add(-time.Hour), NextCheck: noon.Add(time.Hour),
		Stale: true, Held: true, HoldReason: "audit",
		Blockers:       []updater.Blocker{{Code: "held", Text: "held: audit"}, {Code: "on-battery", Text: "plug it in"}},
		FailedVersions: []string{"4.9.4", "4.9.3"},
	}
}

// newService makes a service for a bus, to be changed before run is given it.
func newService(t *testing.T, bus *dbustest.Bus, c Controller) *Service {
	t.Helper()
	return New(Options{Address: bus.Address, DaemonVersion: "1.2.3", Log: slog.New(slog.DiscardHandler)}, c)
}

// run puts s on the bus until the test ends.
func run(t *testing.T, s *Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // ended in a cleanup, before which t.Context ends
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		t.Fatalf("Run: %v", err)
	}
}

// start is newService and run.
func start(t *testing.T, bus *dbustest.Bus, c Controller) *Service {
	t.Helper()
	s := newService(t, bus, c)
	run(t, s)
	return s
}

// rawConn is a connection of the library's own kind, descriptors and all.
func rawConn(t *testing.T, bus *dbustest.Bus) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func newClient(t *testing.T, bus *dbustest.Bus) *Client {
	t.Helper()
	c, err := Dial(t.Context(), bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// errorNameOf is the D-Bus name of a failed raw call.
func errorNameOf(t *testing.T, err error) string {
	t.Helper()
	var e dbus.Error
	if !errors.As(err, &e) {
		t.Fatalf("not an error from the bus: %v", err)
	}
	return e.Name
}

// everybody lets everybody do everything but what is denied.
type everybody struct{ denied action }

func (e everybody) authorise(_ context.Context, _ caller, a action, _ bool) error {
	if a == e.denied {
		return standardError("AccessDenied", "denied by the test")
	}
	return nil
}
