// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/clipos/updater/updater"
)

// fakeEngine is an updater without a network and a disk. It keeps its record
// as the real one does, and complains when the daemon does not keep to what
// Engine promises.
type fakeEngine struct {
	t *testing.T

	mu        sync.Mutex
	record    updater.Record
	installed []updater.Installed
	calls     []string
	atWork    string // Check or Update, while it runs
	// unwritable is what Change returns, readError what Installed and
	// Acceptable do.
	unwritable, readError error

	// What the methods do where a test wants something else.
	onCheck      func(context.Context) (updater.Check, error)
	onAcceptable func(context.Context, string) error
	onRecover    func(context.Context) (updater.Recovery, error)
	// failAt ends an update after it has reported that stage; holdAt keeps it
	// there until the channel is closed or, where it can be, it is cancelled.
	failAt map[updater.Stage]error
	holdAt map[updater.Stage]chan struct{}
	// holdChores keeps Rollback and MarkBoot until it is closed or they are
	// cancelled.
	holdChores chan struct{}
}

const (
	running = "5.0.0"
	newer   = "5.1.0"
	newest  = "5.2.0"
)

var stages = []updater.Stage{
	updater.StageChecking, updater.StageFetching, updater.StageVerifying,
	updater.StageInstalling, updater.StageSwapping, updater.StageDone,
}

func newEngine(t *testing.T) *fakeEngine {
	return &fakeEngine{
		t:         t,
		installed: []updater.Installed{{Version: running, State: updater.InstalledRunning, TriesLeft: -1, TriesDone: -1}},
		failAt:    map[updater.Stage]error{},
		holdAt:    map[updater.Stage]chan struct{}{},
	}
}

// set changes the engine while the daemon runs.
func (e *fakeEngine) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

func (e *fakeEngine) note(call string) {
	e.set(func() { e.calls = append(e.calls, call) })
}

// count is how often the engine was called like that.
func (e *fakeEngine) count(call string) (n int) {
	e.set(func() {
		for _, c := range e.calls {
			if c == call {
				n++
			}
		}
	})
	return n
}

// begin notes that Check or Update runs; they must not run at once.
func (e *fakeEngine) begin(what string) (end func()) {
	e.note(what)
	e.set(func() {
		if e.atWork != "" {
			e.t.Errorf("%s begins while %s runs", what, e.atWork)
		}
		e.atWork = what
	})
	return func() { e.set(func() { e.atWork = "" }) }
}

func (e *fakeEngine) Check(ctx context.Context) (updater.Check, error) {
	defer e.begin("check")()
	check, err := updater.Check{Version: running, Running: running}, error(nil)
	var answer func(context.Context) (updater.Check, error)
	e.set(func() { answer = e.onCheck })
	if answer != nil {
		check, err = answer(ctx)
	}
	e.set(func() {
		if e.unwritable != nil {
			return
		}
		e.record.LastCheck = time.Now()
		e.record.FailedChecks++
		if !updater.IsUnverified(err) {
			e.record.LastSuccess, e.record.FailedChecks = time.Now(), 0
		}
		if err == nil {
			e.record.AvailableVersion = ""
			if check.Available {
				e.record.AvailableVersion = check.Version
			}
		}
	})
	return check, err
}

func (e *fakeEngine) Acceptable(ctx context.Context, version string) error {
	e.note("acceptable " + version)
	if e.onAcceptable != nil {
		return e.onAcceptable(ctx, version)
	}
	return e.readError
}

func (e *fakeEngine) Update(ctx context.Context, q updater.Request) (updater.Outcome, error) {
	version := q.Version
	defer e.begin("update " + version)()
	if t := e.Record().Unfinished; t == nil || t.Version != version {
		e.t.Errorf("the update to %s begins and the record says %v", version, t)
	}
	for i, s := range stages {
		if s == updater.StageInstalling {
			if !q.Proceed() {
				return updater.Outcome{Version: version, FetchedBytes: fetchedBytes}, nil
			}
			defer q.Inhibit(ctx)()
		}
		final := s == updater.StageSwapping || s == updater.StageDone
		q.Report(updater.Status{
			Version: version, Stage: s, Progress: float64(i) / float64(len(stages)-1), Cancelable: !final,
		})
		if s != updater.StageDone && ctx.Err() != nil {
			return updater.Outcome{}, &updater.Error{Version: version, Err: updater.ErrCancelled}
		}
		if err := e.stay(ctx, s, final); err != nil {
			return updater.Outcome{}, &updater.Error{Version: version, Err: err}
		}
	}
	e.set(func() {
		e.installed = slices.DeleteFunc(e.installed, func(i updater.Installed) bool { return i.State != updater.InstalledRunning })
		e.installed = append(e.installed, updater.Installed{Version: version, State: updater.InstalledPending})
	})
	return updater.Outcome{Version: version, Installed: true, FetchedBytes: fetchedBytes, Notes: []string{"a note"}}, nil
}

// fetchedBytes is how much each update fetches.
const fetchedBytes = 1000

func (e *fakeEngine) Plan(_ context.Context, version string) (updater.Plan, error) {
	e.note("plan " + version)
	return updater.Plan{Version: version, WriteBytes: fetchedBytes}, e.readError
}

// Rollback makes the fallback, or the version, pending; the running version
// takes back what was.
func (e *fakeEngine) Rollback(ctx context.Context, version string) (updater.Outcome, error) {
	defer e.begin("rollback " + version)()
	if err := e.chore(ctx); err != nil {
		return updater.Outcome{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for n, i := range e.installed {
		if i.Version != version && (version != "" || i.State != updater.InstalledFallback) {
			continue
		}
		for n := range e.installed {
			if e.installed[n].State == updater.InstalledPending {
				e.installed[n].State = updater.InstalledFallback
			}
		}
		if i.State != updater.InstalledRunning {
			e.installed[n].State = updater.InstalledPending
		}
		return updater.Outcome{Version: i.Version, Installed: true}, nil
	}
	return updater.Outcome{}, updater.ErrUnknownVersion
}

// MarkBoot takes the running version's counter away, or spends it.
func (e *fakeEngine) MarkBoot(ctx context.Context, good bool) error {
	defer e.begin(fmt.Sprintf("mark %t", good))()
	if err := e.chore(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for n := range e.installed {
		if i := &e.installed[n]; i.State == updater.InstalledRunning {
			if i.TriesLeft = -1; !good {
				i.TriesLeft, e.record.FailedVersions = 0, []string{i.Version}
			}
		}
	}
	return e.readError
}

func (e *fakeEngine) chore(ctx context.Context) error {
	if e.holdChores == nil {
		return nil
	}
	select {
	case <-e.holdChores:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *fakeEngine) Forgive(version string, installed []updater.Installed) error {
	e.note("forgive " + version)
	if !slices.Contains(e.Record().Failed(installed), version) {
		return updater.ErrUnknownVersion
	}
	return e.Change(func(r *updater.Record) {
		r.FailedVersions = slices.DeleteFunc(slices.Clone(r.FailedVersions), func(v string) bool { return v == version })
	})
}

func (e *fakeEngine) stay(ctx context.Context, s updater.Stage, final bool) error {
	cancelled := ctx.Done()
	if final {
		cancelled = nil
	}
	if hold := e.holdAt[s]; hold != nil {
		select {
		case <-hold:
		case <-cancelled:
			return updater.ErrCancelled
		}
	}
	return e.failAt[s]
}

func (e *fakeEngine) Installed(ctx context.Context) ([]updater.Installed, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, "installed")
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return slices.Clone(e.installed), e.readError
}

func (e *fakeEngine) Recover(ctx context.Context) (updater.Recovery, error) {
	e.note("recover")
	if e.onRecover != nil {
		return e.onRecover(ctx)
	}
	list, err := e.Installed(ctx)
	return updater.Recovery{Installed: list}, err
}

func (e *fakeEngine) ConfirmGood(list []updater.Installed) (confirmed bool, err error) {
	e.note("good")
	err = e.Change(func(r *updater.Record) {
		for _, i := range list {
			if i.State == updater.InstalledRunning && i.TriesLeft < 0 {
				r.HighestGood, confirmed = i.Version, true
			}
		}
	})
	return confirmed && err == nil, err
}

func (e *fakeEngine) Record() updater.Record {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.record
}

func (e *fakeEngine) Change(change func(*updater.Record)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := e.record
	change(&next)
	if reflect.DeepEqual(next, e.record) {
		return nil
	}
	if e.unwritable == nil {
		e.record = next
	}
	return e.unwritable
}

// serve changes what the server answers.
func (e *fakeEngine) serve(answer func(context.Context) (updater.Check, error)) {
	e.set(func() { e.onCheck = answer })
}

// offer makes the server offer a version.
func offer(version string) func(context.Context) (updater.Check, error) {
	return func(context.Context) (updater.Check, error) {
		return updater.Check{Available: true, Version: version, Running: running, DownloadBytes: 1000}, nil
	}
}

// answers makes the server fail, or not when err is nil.
func answers(err error) func(context.Context) (updater.Check, error) {
	return func(context.Context) (updater.Check, error) {
		return updater.Check{Version: running, Running: running}, err
	}
}

// silent makes the server answer when the channel is closed.
func silent(answer chan struct{}, then func(context.Context) (updater.Check, error)) func(context.Context) (updater.Check, error) {
	return func(ctx context.Context) (updater.Check, error) {
		select {
		case <-answer:
			return then(ctx)
		case <-ctx.Done():
			return updater.Check{}, &updater.Error{Err: updater.ErrCancelled}
		}
	}
}
