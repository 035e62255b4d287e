// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/clipos/updater/updater"
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
	next := d.schedule.Next(now, d.startedOn(now), d.planned, d.system().Record().FailedChecks)
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
// would be asked without end. A server that does not answer is asked again by
// that plan; that the machine was not ready for what is wanted, although the
// server has answered, is an attempt that has failed.
func (d *Daemon) checked(j *job) {
	if j.automatic || j.err != nil {
		d.planned = d.wall()
	}
	d.unanswered = updater.IsUnverified(j.err)
	if j.automatic && d.wanted != "" && j.err != nil && !d.unanswered && !d.stopping {
		d.tried(j.err)
	}
}

// continueBySchedule fetches or installs what an automatic check has found, as
// far as the rules allow now. The server is asked again before that, also for
// what is fetched already: it may have withdrawn the version since.
func (d *Daemon) continueBySchedule(ctx context.Context) {
	if d.job != nil || ctx.Err() != nil {
		return
	}
	c := d.conditions()
	blockers := d.blockers(c)
	install := len(blockers) == 0
	ahead := d.wanted != d.fetched && len(d.Rules.FetchBlockers(c)) == 0
	fresh := d.isFresh()
	switch {
	case d.wanted == "", !install && !ahead, !fresh && !d.mayAsk(c.Now):
		if !slices.Equal(blockers, d.view.Blockers) {
			d.publish()
		}
	case !fresh:
		d.beginCheck(ctx, true)
	default:
		d.updateBySchedule(ctx)
	}
}

// mayAsk tells whether the server may be asked before the next check is due:
// not before the first check could be, since a machine that starts has other
// things to do, and not while a server that does not answer is given time.
func (d *Daemon) mayAsk(now time.Time) bool {
	earliest := d.schedule.Next(now, d.startedOn(now), time.Time{}, 0)
	return !d.unanswered && !now.Before(earliest)
}

func (d *Daemon) updateBySchedule(ctx context.Context) {
	if _, err := d.beginUpdate(ctx, &job{version: d.wanted, automatic: true}); err != nil {
		d.Log.Error("cannot begin the update", "error", err)
		d.view.LastError = err
		d.tried(err)
		d.rest()
	}
}

// mayInstall asks the loop, from the automatic update that runs, whether it may
// be installed now that it is fetched: the window may have closed meanwhile.
func (d *Daemon) mayInstall() bool {
	answer := make(chan bool, 1)
	d.calls <- func(context.Context) { answer <- len(d.blockers(d.conditions())) == 0 }
	return <-answer
}

// patience is how many failures one counts that time will not heal: then the
// next attempt is an interval away, and what is wrong with a release is not
// downloaded over and over.
const patience = 16

// tried remembers how an attempt by schedule went. Like the last check, it is
// kept here because a full disk does not take a record.
func (d *Daemon) tried(err error) {
	switch {
	case err == nil || errors.Is(err, updater.ErrNoUpdate):
		d.failures, d.failed, d.failedWhy = 0, time.Time{}, ""
	case isPassing(err):
		d.failures, d.failed, d.failedWhy = d.failures+1, d.wall(), err.Error()
	default:
		d.failures, d.failed, d.failedWhy = patience, d.wall(), err.Error()
	}
	failures, failed := d.failures, d.failed
	d.remember(func(r *updater.Record) { r.FailedUpdates, r.LastFailedUpdate = failures, failed })
}

// isPassing tells that the same attempt may well succeed later.
func isPassing(err error) bool {
	return slices.ContainsFunc([]error{
		updater.ErrNetworkUnavailable, updater.ErrTooSlow, updater.ErrServer,
		updater.ErrVolumeInUse, updater.ErrNoSpaceCache, updater.ErrESPNotMounted, updater.ErrInterrupted,
	}, func(passing error) bool { return errors.Is(err, passing) })
}
