// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// Engine does the work: *updater.Updater. Recover is called first; Check,
// Update, Rollback and MarkBoot one at a time; the others at any time and from
// any goroutine.
type Engine interface {
	Check(context.Context) (updater.Check, error)
	Acceptable(ctx context.Context, version string) error
	Plan(ctx context.Context, version string) (updater.Plan, error)
	Update(context.Context, updater.Request) (updater.Outcome, error)
	Rollback(ctx context.Context, version string) (updater.Outcome, error)
	MarkBoot(ctx context.Context, good bool) error
	Installed(context.Context) ([]updater.Installed, error)
	Recover(context.Context) (updater.Recovery, error)
	ConfirmGood([]updater.Installed) (confirmed bool, err error)
	Forgive(version string, installed []updater.Installed) error
	Record() updater.Record
	Change(func(*updater.Record)) error
}

// Publisher tells the world. Its methods are called from one goroutine and
// must not block.
type Publisher interface {
	Publish(updater.Overview)
	Emit(updater.Event)
}

// Options are what a daemon needs.
type Options struct {
	Engine         Engine
	OSName         string
	RunningVersion string
	MachineID      string
	Rules          policy.Rules
	Log            *slog.Logger
	// Notify sends a state to the service manager, see sd_notify(3).
	Notify func(state string) error
	// WatchdogInterval is the longest silence the service manager bears, 0
	// for any.
	WatchdogInterval time.Duration
	// BootComplete tells whether the system has come up completely.
	BootComplete func(context.Context) (bool, error)
	// Sysfs is where sysfs is mounted, which shows the power supplies; "" for
	// a machine without.
	Sysfs string
	// Metered tells whether the machine's network costs by volume.
	Metered func(context.Context) (bool, error)
	// Inhibit keeps the machine from being shut down or suspended until
	// release is called; why is for people.
	Inhibit func(ctx context.Context, why string) (release func(), err error)
	// ReadAgain reads the configuration again; an error leaves everything as
	// it is.
	ReadAgain func() (Engine, policy.Rules, error)
	// ErrorName is the public name of an error, for the history.
	ErrorName func(error) string
}

// housekeeping bounds the work between jobs: reading volumes and entries.
const housekeeping = time.Minute

// Daemon keeps one system up to date.
type Daemon struct {
	Options
	publishers []Publisher
	schedule   policy.Schedule
	// wall is the wall clock, without the monotonic reading that Sub and
	// Before would prefer.
	wall func() time.Time

	calls    chan func(context.Context)
	statuses chan jobStatus
	results  chan jobResult
	// look asks for a look at the surroundings, which seen has then.
	look    chan struct{}
	seen    chan surroundings
	stopped chan struct{}

	published atomic.Pointer[updater.Overview]
	// engine changes when the configuration is read again.
	engine atomic.Pointer[Engine]

	// What follows belongs to the loop.
	started   time.Time
	job       *job
	view      updater.Overview
	installed []updater.Installed // as it was found last
	cameUp    bool                // the running version: the boot is complete, or somebody said good
	confirmed bool                // and that is recorded
	offer     updater.Check       // the last answer of the server
	offered   time.Time
	planned   time.Time // the check that the next one is planned from
	lastBeat  time.Time // the last sign of life of the job
	lastTold  time.Time // the last status line, lastLine
	lastLine  string
	around    surroundings
	// wanted is to be installed by schedule, "" for nothing; fetched is the
	// version that is in the cache, whole, "" for none that is known.
	wanted, fetched string
	// unanswered: the last check failed for want of an answer.
	unanswered bool
	// failures is how many attempts by schedule failed in a row, the last one
	// at failed, for failedWhy.
	failures  int
	failed    time.Time
	failedWhy string
	// ended are transactions that the record does not have yet.
	ended    []updater.HistoryEntry
	stopping bool
}

// New returns a daemon that tells what happens to the publishers.
func New(o Options) *Daemon {
	d := &Daemon{
		Options:  o,
		schedule: policy.Schedule{Interval: o.Rules.Interval, FirstCheck: o.Rules.FirstCheck, MachineID: o.MachineID},
		wall:     func() time.Time { return time.Now().Round(0) },
		calls:    make(chan func(context.Context)),
		statuses: make(chan jobStatus),
		results:  make(chan jobResult),
		look:     make(chan struct{}, 1),
		seen:     make(chan surroundings),
		stopped:  make(chan struct{}),
		view: updater.Overview{
			OSName: o.OSName, RunningVersion: o.RunningVersion, State: updater.StateIdle,
		},
	}
	view := d.view
	d.published.Store(&view)
	d.engine.Store(&o.Engine)
	return d
}

// system is the engine by the present configuration.
func (d *Daemon) system() Engine { return *d.engine.Load() }

// Attach adds a publisher. Call it before Run.
func (d *Daemon) Attach(p Publisher) { d.publishers = append(d.publishers, p) }

// Prepare brings order to what an earlier run left and publishes what is
// there, so that nobody sees less. Call it once, before Run.
func (d *Daemon) Prepare(ctx context.Context) {
	d.started = time.Now()
	limited, cancel := context.WithTimeout(ctx, housekeeping)
	defer cancel()
	found, err := d.system().Recover(limited)
	for _, n := range found.Notes {
		d.Log.Info(n)
	}
	if ctx.Err() != nil {
		return // stopped, which is no failure
	}
	if err != nil {
		// A disk that is not in order now may be later: every update looks anew.
		d.Log.Error("cannot read what is installed", "error", err)
		d.view.LastError = err
	}
	d.setInstalled(found.Installed)
	d.recall(d.system().Record())
	d.around = d.lookAround(ctx)
	d.rest()
}

// recall goes on where an earlier run has ended.
func (d *Daemon) recall(record updater.Record) {
	d.planned, d.unanswered = record.LastCheck, record.FailedChecks > 0
	d.failures, d.failed, d.failedWhy = record.FailedUpdates, record.LastFailedUpdate, "see the history"
	d.view.AvailableVersion = d.stillAvailable(record.AvailableVersion)
	d.wanted = d.view.AvailableVersion
	t := record.Unfinished
	if t == nil {
		if h := record.History; len(h) > 0 && h[0].Result == updater.ResultFetched {
			d.fetched = h[0].Version // and nothing has used the cache since
		}
		return
	}
	if d.view.LastError == nil && !d.isPresent(t.Version) {
		d.view.LastError = updater.ErrInterrupted
	}
	if t.Version == d.wanted {
		// What brings the daemon down does not do so again at once.
		d.tried(updater.ErrInterrupted)
	}
}

// Run works until ctx ends: then the job that runs is cancelled, or finished
// when it is in the final swap, and completed like any other. An error means
// that the service manager does not listen.
func (d *Daemon) Run(ctx context.Context) error {
	defer close(d.stopped)
	if ctx.Err() != nil {
		d.beginStop()
		return nil
	}
	if err := d.Notify("READY=1"); err != nil {
		return fmt.Errorf("cannot start: %w", err)
	}
	d.tellWhatWas()
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { d.confirmBoot(ctx) })
	beside.Go(func() { d.watchSurroundings(ctx) })
	feed, stopFeeding := d.watchdog()
	defer stopFeeding()
	d.loop(ctx, feed)
	return nil
}

// tellWhatWas tells what an earlier run, or an earlier boot, could not.
func (d *Daemon) tellWhatWas() {
	record := d.system().Record()
	if t := record.Unfinished; t != nil {
		d.Log.Warn("an update was interrupted", "event", "update-interrupted", "version", t.Version, "transaction", t.ID)
		d.emit(updater.CompletedEvent{Transaction: t.ID, Version: t.Version, Err: updater.ErrInterrupted})
		d.ended = append(d.ended, d.entry(*t, updater.Outcome{}, updater.ErrInterrupted))
		d.strikeOff()
	}
	if e := record.RolledBack; e != nil {
		d.Log.Warn("the machine came up with an older version than the one installed",
			"event", "rolled-back", "version", e.To, "from", e.From)
		d.emit(*e)
		d.remember(func(r *updater.Record) { r.RolledBack = nil })
	}
}

// loop ends when ctx has ended and no job runs.
func (d *Daemon) loop(ctx context.Context, feed <-chan time.Time) {
	clock := time.NewTimer(0)
	defer clock.Stop()
	for end := ctx.Done(); end != nil || d.job != nil; {
		clock.Reset(d.untilTick())
		select {
		case call := <-d.calls:
			call(ctx)
		case s := <-d.statuses:
			d.advance(s)
		case r := <-d.results:
			d.finish(ctx, r)
		case around := <-d.seen:
			d.around = around
			d.giveWay()
			d.tick(ctx)
			d.continueBySchedule(ctx)
		case <-clock.C:
			d.tick(ctx)
		case <-feed:
			d.feed()
		case <-end:
			end = nil
			d.beginStop()
		}
	}
}

// beginStop ends the job that runs, in the final swap by waiting for it. No
// new one begins.
func (d *Daemon) beginStop() {
	d.stopping = true
	if d.job != nil && d.job.stop() != nil {
		d.notify(fmt.Sprintf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%d\nSTATUS=finishing the final swap", swapLimit.Microseconds()))
		return
	}
	d.notify("STOPPING=1\nSTATUS=stopping")
}
