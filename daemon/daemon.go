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

// Engine does the work: *updater.Updater. Recover is called first; Check and
// Update one at a time; the others at any time and from any goroutine.
type Engine interface {
	Check(context.Context) (updater.Check, error)
	Acceptable(ctx context.Context, version string) error
	Update(ctx context.Context, version string, report func(updater.Status)) (updater.Outcome, error)
	Installed(context.Context) ([]updater.Installed, error)
	Recover(context.Context) (updater.Recovery, error)
	ConfirmGood([]updater.Installed) error
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
	stopped  chan struct{}

	published atomic.Pointer[updater.Overview]

	// What follows belongs to the loop.
	started  time.Time
	job      *job
	view     updater.Overview
	offer    updater.Check // the last answer of the server
	offered  time.Time
	planned  time.Time // the check that the next one is planned from
	lastBeat time.Time // the last sign of life of the job
	lastTold time.Time // the last status line
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
		stopped:  make(chan struct{}),
		view: updater.Overview{
			OSName: o.OSName, RunningVersion: o.RunningVersion, State: updater.StateIdle,
		},
	}
	view := d.view
	d.published.Store(&view)
	return d
}

// Attach adds a publisher. Call it before Run.
func (d *Daemon) Attach(p Publisher) { d.publishers = append(d.publishers, p) }

// Run works until ctx ends: then the job that runs is cancelled, or finished
// when it is in the final swap, and completed like any other. An error means
// that the daemon did not start.
func (d *Daemon) Run(ctx context.Context) error {
	defer close(d.stopped)
	d.started = time.Now()
	if err := d.recover(ctx); err != nil {
		return fmt.Errorf("cannot start: %w", err)
	}
	var boot sync.WaitGroup
	defer boot.Wait()
	boot.Go(func() { d.confirmBoot(ctx) })
	feed, stopFeeding := d.watchdog()
	defer stopFeeding()
	d.loop(ctx, feed)
	return nil
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

// recover brings order to what an earlier run left, and tells it.
func (d *Daemon) recover(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, housekeeping)
	defer cancel()
	found, err := d.Engine.Recover(limited)
	for _, n := range found.Notes {
		d.Log.Info(n)
	}
	switch {
	case ctx.Err() != nil:
		// Stopped, which is no failure. Nothing was told yet; the next start
		// tells it.
		return nil
	case err != nil:
		// A disk that is not in order now may be later: every update looks anew.
		d.Log.Error("cannot read what is installed", "error", err)
		d.view.LastError = err
	}
	d.setInstalled(found.Installed)
	record := d.Engine.Record()
	d.planned = record.LastCheck
	d.view.AvailableVersion = d.stillAvailable(record.AvailableVersion)
	if t := record.Unfinished; t != nil && d.view.LastError == nil && !d.isPresent(t.Version) {
		d.view.LastError = updater.ErrInterrupted
	}
	d.rest()
	if err := d.Notify("READY=1"); err != nil {
		return err
	}
	if t := record.Unfinished; t != nil {
		d.emit(updater.CompletedEvent{Transaction: t.ID, Version: t.Version, Err: updater.ErrInterrupted})
		d.strikeOff()
	}
	return nil
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
