// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/clipos/updater/updater"
)

// job is what runs: a check, or an update, which has a transaction.
type job struct {
	transaction string
	version     string
	// automatic: begun by the schedule and not by a caller.
	automatic bool
	// done is closed when the job has ended; check and err are set then.
	done  chan struct{}
	check updater.Check
	err   error

	cancel context.CancelFunc
	mu     sync.Mutex
	// final is set in the report that begins the swap, before the swap does.
	final bool
}

func (j *job) isUpdate() bool { return j.transaction != "" }

type jobStatus struct {
	job    *job
	status updater.Status
}

type jobResult struct {
	job     *job
	check   updater.Check
	outcome updater.Outcome
	err     error
}

// stop cancels the job unless its final swap has begun. Either the job ends
// as cancelled, or the error is ErrNotCancelable.
func (j *job) stop() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.final {
		return updater.ErrNotCancelable
	}
	j.cancel()
	return nil
}

func (j *job) setFinal(final bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.final = final
}

// begin makes j the job and runs work in a goroutine. The job outlives the
// call that began it and ends early only by its own stop.
func (d *Daemon) begin(ctx context.Context, j *job, work func(context.Context) jobResult) *job {
	ctx, j.cancel = context.WithCancel(context.WithoutCancel(ctx))
	j.done = make(chan struct{})
	d.job, d.lastBeat = j, time.Now()
	go func() {
		r := work(ctx)
		j.cancel()
		r.job = j
		d.results <- r
	}()
	return j
}

func (d *Daemon) beginCheck(ctx context.Context, automatic bool) *job {
	d.view.State, d.view.LastError = updater.StateChecking, nil
	d.publish()
	d.notify("STATUS=checking for an update")
	return d.begin(ctx, &job{automatic: automatic}, func(ctx context.Context) jobResult {
		check, err := d.Engine.Check(ctx)
		return jobResult{check: check, err: err}
	})
}

func (d *Daemon) beginUpdate(ctx context.Context, version string, automatic bool) (*job, error) {
	j := &job{transaction: strings.ToLower(rand.Text()), version: version, automatic: automatic}
	err := d.Engine.Change(func(r *updater.Record) {
		r.Unfinished = &updater.Transaction{ID: j.transaction, Version: version, Started: time.Now()}
	})
	if err != nil {
		return nil, err
	}
	d.Log.Info("update begins", "version", version, "transaction", j.transaction)
	d.view.State, d.view.LastError = updater.StateUpdating, nil
	d.view.Transaction, d.view.Status = j.transaction, updater.Status{Version: version, Stage: updater.StageChecking, Cancelable: true}
	d.publish()
	return d.begin(ctx, j, func(ctx context.Context) jobResult {
		outcome, err := d.Engine.Update(ctx, version, func(s updater.Status) {
			j.setFinal(!s.Cancelable)
			d.statuses <- jobStatus{j, s}
		})
		return jobResult{outcome: outcome, err: err}
	}), nil
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
	d.notify("STATUS=" + statusLine(s.status))
}

// finish ends the job and tells it.
func (d *Daemon) finish(ctx context.Context, r jobResult) {
	j := r.job
	d.job = nil
	j.check, j.err = r.check, r.err
	record := d.Engine.Record()
	d.view.LastCheck, d.view.LastSuccess = record.LastCheck, record.LastSuccess
	d.view.LastError = r.err
	if errors.Is(r.err, updater.ErrCancelled) {
		d.view.LastError = nil
	}
	if j.isUpdate() {
		d.finishUpdate(ctx, r)
	} else {
		d.finishCheck(r)
	}
	d.view.State = d.restingState()
	d.plan()
	d.publish()
	d.notify("STATUS=" + d.restingLine())
	if j.isUpdate() {
		d.complete(j.transaction, j.version, r.err)
		if r.err == nil {
			d.emit(updater.RebootRequiredEvent{Version: r.outcome.Version})
		}
	}
	close(j.done)
	d.continueBySchedule(ctx, j)
}

func (d *Daemon) finishCheck(r jobResult) {
	if r.err != nil {
		d.Log.Error(r.err.Error())
		return
	}
	d.offer, d.offered = r.check, time.Now()
	available := ""
	if r.check.Available {
		available = r.check.Version
	}
	if available != "" && available != d.view.AvailableVersion {
		d.Log.Info("update available", "version", available)
		d.emit(updater.UpdateAvailableEvent{Check: r.check})
	}
	d.view.AvailableVersion = available
}

func (d *Daemon) finishUpdate(ctx context.Context, r jobResult) {
	for _, n := range r.outcome.Notes {
		d.Log.Info(n)
	}
	d.view.Transaction = ""
	s := &d.view.Status
	s.BytesPerSecond, s.Remaining, s.Cancelable = 0, 0, false
	switch {
	case r.err != nil:
		d.Log.Error(r.err.Error())
	default:
		d.Log.Info("update installed, reboot to use it", "version", r.outcome.Version)
		d.offer, d.view.AvailableVersion = updater.Check{}, ""
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), housekeeping)
	defer cancel()
	list, err := d.Engine.Installed(ctx)
	if err != nil {
		d.Log.Error("cannot read what is installed", "error", err)
		return
	}
	d.setInstalled(list)
}

// complete ends a transaction for everybody: the event first, then the record,
// so that a crash in between repeats the event rather than losing it.
func (d *Daemon) complete(transaction, version string, err error) {
	d.emit(updater.CompletedEvent{Transaction: transaction, Version: version, Err: err})
	if err := d.Engine.Change(func(r *updater.Record) { r.Unfinished = nil }); err != nil {
		d.Log.Error("cannot record that the transaction has ended", "transaction", transaction, "error", err)
	}
}
