// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/clipos/updater/updater"
)

// begin makes j the job and lets it run.
func (d *Daemon) begin(ctx context.Context, j *job, do func(context.Context) jobResult) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	j.cancel, j.done = cancel, make(chan struct{})
	d.job, d.lastBeat = j, time.Now()
	go d.run(ctx, work, j, do)
}

func (d *Daemon) beginCheck(ctx context.Context, automatic bool) *job {
	d.view.State, d.view.LastError = updater.StateChecking, nil
	d.publish()
	d.notifyStatus("checking for an update")
	j := &job{automatic: automatic}
	d.begin(ctx, j, func(ctx context.Context) jobResult {
		check, err := d.Engine.Check(ctx)
		return jobResult{check: check, err: err}
	})
	return j
}

func (d *Daemon) beginUpdate(ctx context.Context, version string, automatic bool) (transaction string, err error) {
	j := &job{transaction: strings.ToLower(rand.Text()), version: version, automatic: automatic}
	err = d.Engine.Change(func(r *updater.Record) {
		r.Unfinished = &updater.Transaction{ID: j.transaction, Version: version, Started: d.wall()}
	})
	if err != nil {
		// It may have been written all the same, and nobody was told of it.
		d.strikeOff()
		return "", err
	}
	d.Log.Info("update begins", "version", version, "transaction", j.transaction, "automatic", automatic)
	d.view.State, d.view.LastError = updater.StateUpdating, nil
	d.view.Transaction = j.transaction
	d.view.Status = updater.Status{Version: version, Stage: updater.StageChecking, Cancelable: true}
	d.publish()
	d.notifyStatus(statusLine(d.view.Status))
	d.begin(ctx, j, func(ctx context.Context) jobResult {
		outcome, err := d.Engine.Update(ctx, version, func(s updater.Status) {
			if !s.Cancelable {
				j.refuseStop(updater.ErrNotCancelable)
			}
			d.statuses <- jobStatus{j, s}
		})
		return jobResult{outcome: outcome, err: err}
	})
	return j.transaction, nil
}

// advance publishes how far the update has come.
func (d *Daemon) advance(s jobStatus) {
	d.lastBeat = time.Now()
	changed := d.view.Status.Stage != s.status.Stage
	d.view.Status = s.status
	if changed {
		d.Log.Info(string(s.status.Stage), "version", s.status.Version, "transaction", s.job.transaction)
	}
	d.publish()
	d.emit(updater.ProgressEvent{Transaction: s.job.transaction, Status: s.status})
	if changed || time.Since(d.lastTold) >= statusInterval {
		d.notifyStatus(statusLine(s.status))
	}
}

// finish ends the job and tells it.
func (d *Daemon) finish(ctx context.Context, r jobResult) {
	j := r.job
	d.job, j.check, j.err = nil, r.check, r.err
	d.log(r)
	d.view.LastError = failure(r.err)
	if r.unread == nil {
		d.setInstalled(r.installed)
	}
	var events []updater.Event
	if j.isUpdate() {
		events = d.finishUpdate(r)
	} else {
		events = d.finishCheck(r)
	}
	d.rest()
	for _, e := range events {
		d.emit(e)
	}
	d.strikeOff()
	close(j.done)
	d.continueBySchedule(ctx, j)
}

func (d *Daemon) log(r jobResult) {
	for _, n := range r.outcome.Notes {
		d.Log.Info(n)
	}
	switch {
	case r.err == nil:
	case failure(r.err) == nil:
		d.Log.Info(r.err.Error())
	default:
		d.Log.Error(r.err.Error())
	}
	if r.unread != nil && !errors.Is(r.unread, context.Canceled) {
		d.Log.Error("cannot read what is installed", "error", r.unread)
	}
}

func (d *Daemon) finishCheck(r jobResult) []updater.Event {
	d.checked(r.job)
	if r.err != nil {
		return nil
	}
	d.offer, d.offered = r.check, d.wall()
	known := d.view.AvailableVersion
	d.view.AvailableVersion = ""
	if !r.check.Available {
		return nil
	}
	d.view.AvailableVersion = r.check.Version
	if r.check.Version == known {
		return nil
	}
	d.Log.Info("update available", "version", r.check.Version)
	return []updater.Event{updater.UpdateAvailableEvent{Check: r.check}}
}

func (d *Daemon) finishUpdate(r jobResult) []updater.Event {
	d.view.Transaction = ""
	s := &d.view.Status
	s.BytesPerSecond, s.Remaining, s.Cancelable = 0, 0, false
	completed := updater.CompletedEvent{Transaction: r.job.transaction, Version: r.job.version, Err: r.err}
	if r.err != nil {
		return []updater.Event{completed}
	}
	d.Log.Info("update installed, reboot to use it", "version", r.outcome.Version)
	d.setPending(r.outcome.Version)
	return []updater.Event{completed, updater.RebootRequiredEvent{Version: r.outcome.Version}}
}

// strikeOff takes a transaction that was completed off the record: after the
// event, so that a crash in between repeats it rather than losing it. What
// could not be struck off is tried again after each job.
func (d *Daemon) strikeOff() {
	if err := d.Engine.Change(func(r *updater.Record) { r.Unfinished = nil }); err != nil {
		d.Log.Error("cannot record that the transaction has ended", "error", err)
	}
}
