// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"crypto/rand"
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
		check, err := d.system().Check(ctx)
		return jobResult{check: check, err: err}
	})
	return j
}

func (d *Daemon) beginUpdate(ctx context.Context, j *job) (transaction string, err error) {
	j.transaction, j.started = strings.ToLower(rand.Text()), d.wall()
	err = d.system().Change(func(r *updater.Record) {
		r.Unfinished = &updater.Transaction{ID: j.transaction, Version: j.version, Started: j.started}
	})
	if err != nil {
		// It may have been written all the same, and nobody was told of it.
		d.strikeOff()
		return "", err
	}
	d.Log.Info("update begins", "event", "update-begins", "version", j.version, "transaction", j.transaction, "automatic", j.automatic)
	d.view.State, d.view.LastError = updater.StateUpdating, nil
	d.view.Transaction = j.transaction
	d.view.Status = updater.Status{Version: j.version, Stage: updater.StageChecking, Cancelable: true}
	d.publish()
	d.notifyStatus(statusLine(d.view.Status))
	d.begin(ctx, j, func(ctx context.Context) jobResult {
		outcome, err := d.system().Update(ctx, d.request(j))
		return jobResult{outcome: outcome, err: err}
	})
	return j.transaction, nil
}

func (d *Daemon) request(j *job) updater.Request {
	return updater.Request{
		Version: j.version,
		Report: func(s updater.Status) {
			if !s.Cancelable {
				j.refuseStop(updater.ErrNotCancelable)
			}
			d.statuses <- jobStatus{j, s}
		},
		Proceed: func() bool { return j.proceed(j.automatic && d.mayInstall()) },
		Inhibit: func(ctx context.Context) (release func()) { return d.inhibit(ctx, j.version) },
	}
}

// inhibit keeps the machine running while its fallback is gone. Where nobody
// can do that the update goes on: an interruption is survived, only not liked.
func (d *Daemon) inhibit(ctx context.Context, version string) (release func()) {
	if d.Inhibit == nil {
		return func() {}
	}
	release, err := d.Inhibit(ctx, "Installing "+version)
	if err != nil {
		d.Log.Warn("cannot keep the machine from being shut down meanwhile", "error", err)
		return func() {}
	}
	return release
}

// advance publishes how far the update has come.
func (d *Daemon) advance(s jobStatus) {
	d.lastBeat = time.Now()
	changed := d.view.Status.Stage != s.status.Stage
	d.view.Status = s.status
	if changed {
		d.Log.Info(string(s.status.Stage), "event", "stage", "version", s.status.Version, "transaction", s.job.transaction)
	}
	d.publish()
	d.emit(updater.ProgressEvent{Transaction: s.job.transaction, Status: s.status})
	if changed || time.Since(d.lastTold) >= statusInterval {
		d.notifyStatus(statusLine(s.status))
	}
}
