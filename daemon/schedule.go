// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"time"

	"github.com/clipos/updater/policy"
)

// clockInterval is how often the wall clock is looked at, which may have been
// set, or gone on without us while the machine slept.
const clockInterval = time.Minute

// startedOn is when the daemon started by a clock that says now.
func (d *Daemon) startedOn(now time.Time) time.Time {
	return now.Add(-time.Since(d.started))
}

// plan sets when to check next. The least changes of the clock make no news.
func (d *Daemon) plan() {
	now := d.wall()
	next := d.schedule.Next(now, d.startedOn(now), d.planned, d.Engine.Record().FailedChecks)
	if next.Sub(d.view.NextCheck).Abs() > time.Second {
		d.view.NextCheck = next
	}
}

// untilTick is how long until the clock has to be looked at. A check that
// falls due while a job runs waits for the job's end.
func (d *Daemon) untilTick() time.Duration {
	if d.job != nil || d.stopping {
		return clockInterval
	}
	return min(max(0, d.view.NextCheck.Sub(d.wall())), clockInterval)
}

// tick begins the check that is due.
func (d *Daemon) tick(ctx context.Context) {
	if d.job != nil || ctx.Err() != nil {
		return
	}
	before := d.view.NextCheck
	d.plan()
	switch {
	case !d.view.NextCheck.After(d.wall()):
		d.beginCheck(ctx, true)
	case d.view.NextCheck != before || d.view.Stale != d.isStale():
		d.publish()
	}
}

// checked remembers what the next check is planned from. One that a caller
// asked for does not put off the next by schedule, with which an update would
// begin: else whoever looks every day would never be updated. It is kept here
// and not taken from the record, which a full disk does not take: the server
// would be asked without end.
func (d *Daemon) checked(j *job) {
	if j.automatic || j.err != nil {
		d.planned = d.wall()
	}
}

// continueBySchedule installs what an automatic check has found.
func (d *Daemon) continueBySchedule(ctx context.Context, j *job) {
	if d.Rules.Mode != policy.ModeInstall || !j.automatic || !j.check.Available || j.isUpdate() || j.err != nil || ctx.Err() != nil {
		return
	}
	if _, err := d.beginUpdate(ctx, j.check.Version, true); err != nil {
		d.Log.Error("cannot begin the update", "error", err)
		d.view.LastError = err
		d.rest()
	}
}
