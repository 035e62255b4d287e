// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// Engine does the work: *updater.Updater.
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
	Rules          updater.Rules
	Log            *slog.Logger
	// Notify sends a state to the service manager, see sd_notify(3).
	Notify func(state string) error
	// WatchdogInterval is the longest silence the service manager bears, 0
	// for any.
	WatchdogInterval time.Duration
	// BootComplete tells whether the system has come up completely.
	BootComplete func(context.Context) (bool, error)
}

const (
	// freshCheck is how old a check may be for its answer to be used again.
	freshCheck = 5 * time.Minute
	// bootPollInterval is how often an unfinished boot is looked at.
	bootPollInterval = 30 * time.Second
	// housekeeping bounds the work between jobs: reading volumes and entries.
	housekeeping = time.Minute
)

// Daemon keeps one system up to date.
type Daemon struct {
	Options
	publishers []Publisher
	schedule   policy.Schedule
	started    time.Time

	calls    chan func()
	statuses chan jobStatus
	results  chan jobResult
	stopped  chan struct{}

	published atomic.Pointer[updater.Overview]

	// What follows belongs to the loop.
	job       *job
	view      updater.Overview
	installed []updater.Installed
	offer     updater.Check
	offered   time.Time
	confirmed bool
	stopping  bool
	lastBeat  time.Time
}

// New returns a daemon that tells what happens to the publishers.
func New(o Options) *Daemon {
	d := &Daemon{
		Options:  o,
		schedule: policy.Schedule{Interval: o.Rules.Interval, FirstCheck: o.Rules.FirstCheck, MachineID: o.MachineID},
		calls:    make(chan func()),
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
// when it is in the final swap, and completed like any other.
func (d *Daemon) Run(ctx context.Context) error {
	defer close(d.stopped)
	d.started = time.Now()
	if err := d.recover(ctx); err != nil {
		return fmt.Errorf("cannot start: %w", err)
	}
	check := time.NewTimer(time.Until(d.view.NextCheck))
	defer check.Stop()
	boot := time.NewTicker(bootPollInterval)
	defer boot.Stop()
	feed, stopFeeding := d.watchdog()
	defer stopFeeding()
	d.confirmBoot(ctx)
	for {
		check.Reset(max(0, time.Until(d.view.NextCheck)))
		select {
		case call := <-d.calls:
			call()
		case s := <-d.statuses:
			d.advance(s)
		case r := <-d.results:
			d.finish(ctx, r)
		case <-check.C:
			d.checkBySchedule(ctx)
		case <-boot.C:
			d.confirmBoot(ctx)
		case <-feed:
			d.feed()
		case <-ctx.Done():
			return d.shutDown(context.WithoutCancel(ctx))
		}
	}
}

// recover brings order to what an earlier run left, and tells it.
func (d *Daemon) recover(ctx context.Context) error {
	found, err := d.Engine.Recover(ctx)
	for _, n := range found.Notes {
		d.Log.Info(n)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case err != nil:
		// A disk that is not in order now may be later: every update looks anew.
		d.Log.Error("cannot read what is installed", "error", err)
		d.view.LastError = err
	}
	d.setInstalled(found.Installed)
	record := d.Engine.Record()
	d.view.LastCheck, d.view.LastSuccess = record.LastCheck, record.LastSuccess
	d.view.AvailableVersion = d.stillAvailable(record.AvailableVersion)
	d.view.State = d.restingState()
	d.plan()
	d.publish()
	d.notify("READY=1\nSTATUS=" + d.restingLine())
	if t := record.Unfinished; t != nil {
		d.complete(t.ID, t.Version, updater.ErrInterrupted)
	}
	return nil
}

// stillAvailable drops a remembered offer that has been installed since.
func (d *Daemon) stillAvailable(version string) string {
	v, err := policy.ParseVersion(version)
	if err != nil {
		return ""
	}
	running, err := policy.ParseVersion(d.RunningVersion)
	if err != nil || v.Compare(running) <= 0 || version == d.view.PendingVersion {
		return ""
	}
	return version
}

// shutDown ends the job that runs. No new one begins.
func (d *Daemon) shutDown(ctx context.Context) error {
	d.stopping = true
	d.notify("STOPPING=1")
	if d.job != nil {
		// In the final swap it goes on, and is waited for all the same.
		_ = d.job.stop()
	}
	for d.job != nil {
		select {
		case call := <-d.calls:
			call()
		case s := <-d.statuses:
			d.advance(s)
		case r := <-d.results:
			d.finish(ctx, r)
		}
	}
	return nil
}

// confirmBoot records that the running version came up, once it has.
func (d *Daemon) confirmBoot(ctx context.Context) {
	if d.confirmed || d.installed == nil {
		return
	}
	complete, err := d.BootComplete(ctx)
	if err != nil {
		d.Log.Warn("cannot learn whether the system has come up", "error", err)
		return
	}
	if !complete {
		return
	}
	if err := d.Engine.ConfirmGood(d.installed); err != nil {
		d.Log.Error("cannot record that this version is good", "error", err)
		return
	}
	d.confirmed = true
}

func (d *Daemon) notify(state string) {
	if err := d.Notify(state); err != nil {
		d.Log.Warn("cannot notify the service manager", "error", err)
	}
}

func (d *Daemon) watchdog() (<-chan time.Time, func()) {
	if d.WatchdogInterval == 0 {
		return nil, func() {}
	}
	// Half the interval, as sd_watchdog_enabled(3) recommends.
	t := time.NewTicker(d.WatchdogInterval / 2)
	return t.C, t.Stop
}

// feed tells the service manager that the loop turns and the job moves.
func (d *Daemon) feed() {
	if d.job == nil || time.Since(d.lastBeat) < d.WatchdogInterval {
		d.notify("WATCHDOG=1")
	}
}
