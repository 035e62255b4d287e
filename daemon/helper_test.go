// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// machine is a daemon that runs in a bubble of testing/synctest.
type machine struct {
	*Daemon
	t      *testing.T
	engine *fakeEngine
	heard  *observer
	stop   context.CancelFunc
	ended  chan error
	// jump is how far the wall clock was set from the bubble's.
	jump atomic.Int64
}

// rules check ten minutes after start and then every hour; a machine without
// an identifier shifts neither by a tenth of a tenth.
func rules(mode policy.Mode) policy.Rules {
	return policy.Rules{Mode: mode, Interval: time.Hour, FirstCheck: 10 * time.Minute, StaleAfter: 24 * time.Hour}
}

func newMachine(t *testing.T, e *fakeEngine, change ...func(*Options)) *machine {
	t.Helper()
	m := &machine{t: t, engine: e, heard: &observer{t: t, engine: e, completed: map[string]error{}}, ended: make(chan error, 1)}
	o := Options{
		Engine: e, OSName: "clipos", RunningVersion: running, Rules: rules(policy.ModeCheck),
		Log: slog.New(slog.DiscardHandler), Notify: m.heard.notify,
		BootComplete: func(context.Context) (bool, error) { return true, nil },
	}
	for _, c := range change {
		c(&o)
	}
	m.Daemon = New(o)
	clock := m.wall
	m.wall = func() time.Time { return clock().Add(time.Duration(m.jump.Load())) }
	m.Attach(m.heard)
	return m
}

// boot starts a daemon, waits until it rests, and at the test's end stops it
// and sees that nothing was left undone.
func boot(t *testing.T, e *fakeEngine, change ...func(*Options)) *machine {
	t.Helper()
	m := newMachine(t, e, change...)
	m.start()
	t.Cleanup(func() {
		m.shutDown()
		if u := e.Record().Unfinished; u != nil && e.unwritable == nil {
			t.Errorf("transaction %v was not struck off", u)
		}
	})
	return m
}

func (m *machine) start() {
	ctx, stop := context.WithCancel(context.WithoutCancel(m.t.Context()))
	m.stop = stop
	go func() { m.Prepare(ctx); m.ended <- m.Run(ctx); close(m.ended) }()
	synctest.Wait()
}

// shutDown stops the daemon, which by then has to be able to.
func (m *machine) shutDown() {
	m.t.Helper()
	m.stop()
	synctest.Wait()
	select {
	case err := <-m.ended:
		if err != nil {
			m.t.Errorf("Run: %v", err)
		}
	default:
		m.t.Error("the daemon did not stop")
	}
}

// pass lets the time pass.
func pass(d time.Duration) {
	time.Sleep(d) // the bubble's clock: nobody waits
	synctest.Wait()
}

// set sets the wall clock so far from the bubble's.
func (m *machine) set(jump time.Duration) { m.jump.Store(int64(jump)) }

// untilNext is how far away the next check is, as its property says.
func (m *machine) untilNext() time.Duration { return m.Overview().NextCheck.Sub(m.wall()) }

func (m *machine) update(version string) string {
	m.t.Helper()
	transaction, err := m.Update(m.t.Context(), version)
	if err != nil || transaction == "" {
		m.t.Fatalf("update to %q: %q, %v", version, transaction, err)
	}
	synctest.Wait()
	return transaction
}

func (m *machine) wantState(want updater.State) {
	m.t.Helper()
	if got := m.Overview().State; got != want {
		m.t.Errorf("state %s, want %s; last error %v", got, want, m.Overview().LastError)
	}
}

// wantNext: the schedule moves it by up to a tenth.
func (m *machine) wantNext(want time.Duration) {
	m.t.Helper()
	got := m.untilNext()
	if (got - want).Abs() > want/10+2*time.Second {
		m.t.Errorf("the next check is in %s, want %s and at most a tenth more or less", got, want)
	}
}

func (m *machine) wantChecks(want int) {
	m.t.Helper()
	if got := m.engine.count("check"); got != want {
		m.t.Errorf("the server was asked %d times, want %d", got, want)
	}
}

// wantBlockers wants exactly these reasons, in this order.
func (m *machine) wantBlockers(want ...policy.BlockerCode) {
	m.t.Helper()
	var got []policy.BlockerCode
	for _, b := range m.Overview().Blockers {
		got = append(got, b.Code)
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("blocked by %q, want %q", got, want)
	}
}

// wantUpdates wants so many updates to the newer version to have begun.
func (m *machine) wantUpdates(want int) {
	m.t.Helper()
	if got := m.engine.count("update " + newer); got != want {
		m.t.Errorf("%d updates to %s began, want %d", got, newer, want)
	}
}

// wantResults wants these in the history, the oldest first.
func (m *machine) wantResults(want ...updater.Result) {
	m.t.Helper()
	history, err := m.History(m.t.Context(), 0)
	wantError(m.t, err, nil)
	var got []updater.Result
	for _, e := range slices.Backward(history) {
		got = append(got, e.Result)
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("results %q, want %q", got, want)
	}
}

// observer is a publisher and the service manager. It writes down in one
// order what it is told, and complains when that does not fit together.
type observer struct {
	t      *testing.T
	engine *fakeEngine

	mu        sync.Mutex
	view      updater.Overview
	views     int
	lines     []string
	states    []string
	status    updater.Status
	completed map[string]error
	refuse    map[string]error // states that the service manager does not take
}

func (o *observer) Publish(view updater.Overview) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if view.State != o.view.State {
		o.lines = append(o.lines, "state "+string(view.State))
	}
	if (view.State == updater.StateFailed) && view.LastError == nil {
		o.t.Error("failed without an error")
	}
	if (view.State == updater.StateUpdating) != (view.Transaction != "") {
		o.t.Errorf("state %s with transaction %q", view.State, view.Transaction)
	}
	if view.RebootRequired != (view.PendingVersion != "") {
		o.t.Errorf("reboot required %t, pending %q", view.RebootRequired, view.PendingVersion)
	}
	o.view = view
	o.views++
}

// published is how often something was.
func (o *observer) published() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.views
}

func (o *observer) Emit(e updater.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := e.(type) {
	case updater.ProgressEvent:
		o.progress(e)
	case updater.CompletedEvent:
		o.complete(e)
	case updater.UpdateAvailableEvent:
		o.lines = append(o.lines, "available "+e.Check.Version)
		if o.view.AvailableVersion != e.Check.Version {
			o.t.Errorf("%s is available, the property still says %q", e.Check.Version, o.view.AvailableVersion)
		}
	case updater.RolledBackEvent:
		o.lines = append(o.lines, "rolled back from "+e.From+" to "+e.To)
		if o.engine.Record().RolledBack == nil {
			o.t.Error("struck off before it was told")
		}
	case updater.RebootRequiredEvent:
		o.lines = append(o.lines, "reboot "+e.Version)
		if o.view.PendingVersion != e.Version {
			o.t.Errorf("reboot for %s, the property still says %q", e.Version, o.view.PendingVersion)
		}
	}
}

func (o *observer) progress(e updater.ProgressEvent) {
	if e.Status.Stage != o.status.Stage {
		o.lines = append(o.lines, "stage "+string(e.Status.Stage))
	}
	if e.Transaction != o.view.Transaction || e.Status != o.view.Status {
		o.t.Errorf("progress %v of %q, published is %v of %q", e.Status, e.Transaction, o.view.Status, o.view.Transaction)
	}
	if e.Status.Progress < o.status.Progress {
		o.t.Errorf("progress falls from %v to %v", o.status.Progress, e.Status.Progress)
	}
	o.status = e.Status
}

func (o *observer) complete(e updater.CompletedEvent) {
	o.lines = append(o.lines, "completed "+e.Version+": "+name(e.Err))
	if err, twice := o.completed[e.Transaction]; twice {
		o.t.Errorf("transaction %s ends with %v and again with %v", e.Transaction, err, e.Err)
	}
	if o.view.Transaction != "" || o.view.State == updater.StateUpdating {
		o.t.Errorf("transaction %s has ended, and the state is %s", e.Transaction, o.view.State)
	}
	// The record last: a crash in between repeats the event and loses none.
	if t := o.engine.Record().Unfinished; t == nil || t.ID != e.Transaction {
		o.t.Errorf("transaction %s was struck off before it ended: %v", e.Transaction, t)
	}
	o.completed[e.Transaction], o.status = e.Err, updater.Status{}
}

func (o *observer) notify(state string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.refuse[state]; err != nil {
		return err
	}
	o.states = append(o.states, state)
	return nil
}

// told returns what was heard since it was last asked, with the states for
// the service manager apart.
func (o *observer) told() (lines, states []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines, states = o.lines, o.states
	o.lines, o.states = nil, nil
	return lines, states
}

// outcome returns how a transaction ended.
func (o *observer) outcome(t *testing.T, transaction string) error {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	err, ok := o.completed[transaction]
	if !ok {
		t.Errorf("transaction %s has not ended", transaction)
	}
	return err
}

// name is a short name of an error, for comparing.
func name(err error) string {
	for _, known := range []error{
		updater.ErrCancelled, updater.ErrInterrupted, updater.ErrNoUpdate, updater.ErrBusy,
		updater.ErrNoTransaction, updater.ErrNotCancelable, updater.ErrContentMismatch, updater.ErrNetworkUnavailable,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return fmt.Sprint(err)
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\n\nwant\n%s", g, w)
	}
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
}
