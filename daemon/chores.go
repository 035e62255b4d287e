// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// chore does its work beside the loop, and then in the loop what follows from
// it, which returns what there is to tell.
type chore func(context.Context) (apply func() []updater.Event, err error)

// exclusively does what must not run beside a check or an update. While an
// update runs the error is ErrBusy, unless the caller is patient; anything else
// that runs is waited for. When ctx ends the chore goes on.
func (d *Daemon) exclusively(ctx context.Context, patient bool, do chore) error {
	var mine *job
	err := d.doAfter(ctx, func(run context.Context) (before *job, err error) {
		switch {
		case run.Err() != nil:
			err = updater.ErrCancelled
		case d.job != nil && d.job.isUpdate() && !patient:
			err = fmt.Errorf("%w: %s", updater.ErrBusy, d.job.version)
		case d.job != nil:
			before = d.job
		default:
			mine = d.beginChore(run, do)
		}
		return before, err
	})
	if errors.Is(err, updater.ErrNetworkUnavailable) {
		// It is the check before it that waits for the server.
		return fmt.Errorf("%w: a check has not ended in time", updater.ErrBusy)
	}
	if err != nil {
		return err
	}
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return fmt.Errorf("not done yet, and goes on: %w", ctx.Err())
	}
}

func (d *Daemon) beginChore(ctx context.Context, do chore) *job {
	j := &job{chore: true}
	d.begin(ctx, j, func(ctx context.Context) jobResult {
		apply, err := do(ctx)
		return jobResult{apply: apply, err: err}
	})
	return j
}

// Plan tells what an update would do, and what speaks against it by itself.
func (d *Daemon) Plan(ctx context.Context, version string) (updater.Plan, error) {
	var busy error
	err := d.do(ctx, func(context.Context) {
		if d.job != nil && d.job.isUpdate() {
			busy = fmt.Errorf("%w: %s", updater.ErrBusy, d.job.version)
		}
	})
	if err := cmp.Or(err, busy); err != nil {
		return updater.Plan{}, err
	}
	limited, cancel := context.WithTimeout(ctx, acceptLimit)
	defer cancel()
	plan, err := d.system().Plan(limited, version)
	if err != nil {
		return updater.Plan{}, inTime(limited, err)
	}
	plan.Blockers = d.Overview().Blockers
	return plan, nil
}

// Rollback makes an installed version the one that boots next, the fallback
// when version is empty.
func (d *Daemon) Rollback(ctx context.Context, version string) (string, error) {
	chosen := make(chan string, 1)
	err := d.exclusively(ctx, false, func(ctx context.Context) (func() []updater.Event, error) {
		outcome, err := d.system().Rollback(ctx, version)
		chosen <- outcome.Version
		return func() []updater.Event { return d.rolledBack(outcome.Version) }, err
	})
	if err != nil {
		return "", err
	}
	return <-chosen, nil
}

// rolledBack draws the conclusions, whether or not the disk could be read
// afterwards.
func (d *Daemon) rolledBack(version string) []updater.Event {
	d.Log.Info("made to start next", "version", version)
	if version == d.RunningVersion {
		d.setPending("")
		return nil
	}
	d.setPending(version)
	return []updater.Event{updater.RebootRequiredEvent{Version: version}}
}

// MarkBoot says whether the running version is good.
func (d *Daemon) MarkBoot(ctx context.Context, good bool, reason string) error {
	return d.exclusively(ctx, false, func(ctx context.Context) (func() []updater.Event, error) {
		return func() []updater.Event {
			d.Log.Info("the running version was marked", "version", d.RunningVersion, "good", good, "reason", reason)
			d.cameUp = d.cameUp || good
			return nil
		}, d.system().MarkBoot(ctx, good)
	})
}

// ForgetFailure allows a version that did not come up to be installed again.
func (d *Daemon) ForgetFailure(ctx context.Context, version string) error {
	return d.exclusively(ctx, false, func(ctx context.Context) (func() []updater.Event, error) {
		installed, err := readInstalled(ctx, d.system())
		if err == nil {
			err = d.system().Forgive(version, installed)
		}
		return func() []updater.Event {
			d.offered = time.Time{} // what was refused may be taken now
			return nil
		}, err
	})
}

// Reload reads the configuration again; one that is not valid is refused, and
// the old one stays.
func (d *Daemon) Reload(ctx context.Context) error {
	return d.exclusively(ctx, false, d.reload)
}

// ReloadForManager is Reload for the service manager's SIGHUP, which waits for
// an update that runs, and is told as sd_notify(3) describes: that it is done
// once the new configuration is in force, or was refused.
func (d *Daemon) ReloadForManager(ctx context.Context) {
	told := false
	err := d.exclusively(ctx, true, func(ctx context.Context) (func() []updater.Event, error) {
		told = true
		d.notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonicMicroseconds()))
		return d.reload(ctx)
	})
	if ctx.Err() != nil {
		return // nothing follows STOPPING=1
	}
	if err != nil {
		d.Log.Error("the configuration stays as it was", "error", err)
	}
	if told {
		d.notify("READY=1")
	}
}

// reload finds out what is installed by the new configuration, too.
func (d *Daemon) reload(ctx context.Context) (func() []updater.Event, error) {
	engine, rules, err := d.ReadAgain()
	if err != nil {
		return nil, err
	}
	installed, unread := readInstalled(ctx, engine)
	return func() []updater.Event {
		d.reconfigure(engine, rules)
		if unread != nil {
			d.Log.Error("cannot read what is installed", "error", unread)
		} else {
			d.setInstalled(installed)
		}
		return nil
	}, nil
}

func (d *Daemon) reconfigure(engine Engine, rules policy.Rules) {
	d.engine.Store(&engine)
	d.Rules = rules
	d.schedule.Interval, d.schedule.FirstCheck = rules.Interval, rules.FirstCheck
	// What an old server offered is not known of the new one.
	d.offer, d.offered = updater.Check{}, time.Time{}
	d.Log.Info("configuration read again", "event", "reloaded")
}

// Hold keeps anything from being installed by itself until a time, zero for
// until Unhold.
func (d *Daemon) Hold(ctx context.Context, reason string, until time.Time) error {
	return d.setHold(ctx, &updater.Hold{Reason: reason, Until: until})
}

// Unhold ends a hold.
func (d *Daemon) Unhold(ctx context.Context) error { return d.setHold(ctx, nil) }

func (d *Daemon) setHold(ctx context.Context, hold *updater.Hold) error {
	var refused error
	err := d.do(ctx, func(context.Context) {
		if refused = d.system().Change(func(r *updater.Record) { r.Hold = hold }); refused != nil {
			return
		}
		switch {
		case hold == nil:
			d.Log.Info("updates are not held any more", "event", "released")
		case hold.Until.IsZero():
			d.Log.Info("updates are held until somebody ends it", "event", "held", "reason", hold.Reason)
		default:
			d.Log.Info("updates are held", "event", "held", "reason", hold.Reason, "until", hold.Until)
		}
		d.publish()
		d.lookSoon()
	})
	return cmp.Or(err, refused)
}

// History returns at most limit transactions, newest first; 0: all. One that
// was completed is in it, also while the record cannot be written.
func (d *Daemon) History(ctx context.Context, limit int) (history []updater.HistoryEntry, err error) {
	err = d.do(ctx, func(context.Context) { history = withAll(d.system().Record().History, d.ended) })
	if limit > 0 {
		history = history[:min(limit, len(history))]
	}
	return history, err
}
