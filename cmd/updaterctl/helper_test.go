// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// fakeDaemon answers what it is told to.
type fakeDaemon struct {
	err      error
	offer    updater.Check
	versions []updater.Installed
	plan     updater.Plan
	history  []updater.HistoryEntry
	update   func(version string) (string, error)
	overview updater.Overview

	mu    sync.Mutex
	asked []string
}

func (f *fakeDaemon) Check(context.Context) (updater.Check, error) { return f.offer, f.err }

func (f *fakeDaemon) Update(_ context.Context, version string) (string, error) {
	if f.update != nil {
		return f.update(version)
	}
	return "t1", f.err
}

// record remembers a request that changes something.
func (f *fakeDaemon) record(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fakeDaemon) Cancel(_ context.Context, transaction string) error {
	return f.record("cancel %q", transaction)
}

func (f *fakeDaemon) ListVersions(context.Context) ([]updater.Installed, error) {
	return f.versions, f.err
}

func (f *fakeDaemon) Plan(_ context.Context, version string) (updater.Plan, error) {
	return f.plan, f.record("plan %q", version)
}

func (f *fakeDaemon) Rollback(_ context.Context, version string) (string, error) {
	return cmp.Or(version, "4.8.0"), f.record("rollback %q", version)
}

func (f *fakeDaemon) MarkBoot(_ context.Context, good bool, reason string) error {
	return f.record("mark %v %q", good, reason)
}

func (f *fakeDaemon) Hold(_ context.Context, reason string, until time.Time) error {
	if until.IsZero() {
		return f.record("hold %q", reason)
	}
	return f.record("hold %q until %s", reason, until.UTC().Format(time.DateTime))
}

func (f *fakeDaemon) Unhold(context.Context) error { return f.record("unhold") }

func (f *fakeDaemon) History(_ context.Context, limit int) ([]updater.HistoryEntry, error) {
	return f.history, f.record("history %d", limit)
}

func (f *fakeDaemon) ForgetFailure(_ context.Context, version string) error {
	return f.record("forget %q", version)
}

func (f *fakeDaemon) Reload(context.Context) error { return f.record("reload") }

func (f *fakeDaemon) Overview() updater.Overview { return f.overview }

// serve puts f on a bus of its own until the test ends.
func serve(t *testing.T, f *fakeDaemon) (*dbustest.Bus, *dbusapi.Service) {
	t.Helper()
	bus := dbustest.Start(t)
	s, _ := serveOn(t, bus, f)
	return bus, s
}

// serveOn puts f on a bus until it is stopped, at the latest when the test ends.
func serveOn(t *testing.T, bus *dbustest.Bus, f *fakeDaemon) (s *dbusapi.Service, stop func()) {
	t.Helper()
	s = dbusapi.New(dbusapi.Options{Address: bus.Address, DaemonVersion: "1.2.3", Log: slog.New(slog.DiscardHandler)}, f)
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // it ends in a cleanup, t.Context ends before
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
	return s, stop
}

// serveFetching serves an update that is half fetched as soon as it is asked for.
func serveFetching(t *testing.T) (*dbustest.Bus, *dbusapi.Service, *fakeDaemon) {
	t.Helper()
	var s *dbusapi.Service
	f := &fakeDaemon{update: func(string) (string, error) {
		tell(s, updater.StageFetching, 0.5)
		return "t1", nil
	}}
	bus, service := serve(t, f)
	s = service
	return bus, service, f
}

// outcome is what a run came to.
type outcome struct {
	status         int
	stdout, stderr string
}

func ctl(t *testing.T, bus *dbustest.Bus, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), append([]string{"--bus", bus.Address}, args...), nil, &stdout, &stderr)
	return outcome{status, stdout.String(), stderr.String()}
}

// lines are the lines of a text.
func lines(text string) []string {
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// at is the state of a job.
func at(stage updater.Stage, progress float64) updater.Overview {
	return updater.Overview{
		OSName: "clipos", RunningVersion: "4.9.0", State: updater.StateUpdating, Transaction: "t1",
		Status: updater.Status{
			Stage: stage, Progress: progress, BytesDone: int64(progress * 4e9), BytesTotal: 4e9,
			BytesPerSecond: 12_300_000, Remaining: 29 * time.Second, Cancelable: true,
		},
	}
}

// tell publishes a job's state in both of its forms.
func tell(s *dbusapi.Service, stage updater.Stage, progress float64) {
	o := at(stage, progress)
	s.Publish(o)
	s.Emit(updater.ProgressEvent{Transaction: "t1", Status: o.Status})
}

// install goes through a whole job.
func install(s *dbusapi.Service, err error) {
	for i, stage := range []updater.Stage{
		updater.StageChecking, updater.StageFetching, updater.StageVerifying,
		updater.StageInstalling, updater.StageSwapping, updater.StageDone,
	} {
		tell(s, stage, float64(i)/5)
	}
	s.Publish(updater.Overview{
		OSName: "clipos", RunningVersion: "4.9.0", State: updater.StateRebootRequired, PendingVersion: "5.0.0", LastError: err,
	})
	s.Emit(updater.CompletedEvent{Transaction: "t0", Version: "4.0.0", Err: updater.ErrInterrupted})
	s.Emit(updater.CompletedEvent{Transaction: "t1", Version: "5.0.0", Err: err})
}
