// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"cmp"
	"context"
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
	for {
		var mine, other *job
		var refused error
		err := d.do(ctx, func(run context.Context) {
			switch {
			case run.Err() != nil:
				refused = updater.ErrCancelled
			case d.job != nil && d.job.isUpdate() && !patient:
				refused = fmt.Errorf("%w: %s", updater.ErrBusy, d.job.version)
			case d.job != nil:
				other = d.job
			default:
				mine = d.beginChore(run, do)
			}
		})
		if err := cmp.Or(err, refused); err != nil {
			return err
		}
		if mine != nil {
			_, err := mine.wait(ctx)
			return err
		}
		if _, err := other.wait(ctx); ctx.Err() != nil {
			return err
		}
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
	if err == nil {
		plan.Blockers = d.Overview().Blockers
	}
	return plan, err
}

// Rollback makes an installed version the one that boots next, the fallback
// when version is empty.
func (d *Daemon) Rollback(ctx context.Context, version string) (string, error) {
	err := d.exclusively(ctx, false, func(ctx context.Context) (func() []updater.Event, error) {
		outcome, err := d.system().Rollback(ctx, version)
		version = outcome.Version
		return func() []updater.Event {
			d.Log.Info("made to start next", "version", version)
			if version == d.RunningVersion {
				return nil
			}
			return []updater.Event{updater.RebootRequiredEvent{Version: version}}
		}, err
	})
	return version, err
}

// MarkBoot says whether the running version is good.
func (d *Daemon) MarkBoot(ctx context.Context, good bool, reason string) error {
	return d.exclusively(ctx, false, func(ctx context.Context) (func() []updater.Event, error) {
		return func() []updater.Event {
			d.Log.Info("the running version was marked", "version", d.RunningVersion, "good", good, "reason", reason)
			return nil
		}, d.system().MarkBoot(ctx, good)
	})
}

// ForgetFailure allows a version that did not come up to be installed again.
func (d *Daemon) ForgetFailure(ctx context.Context, version string) error {
	return d.exclusively(ctx, false, func(ctx context.Context) (func() []updater.Event, error) {
		installed, err := d.readInstalled(ctx)
		if err == nil {
			err = d.system().Forgive(version, installed)
		}
		return func() []updater.Event {
			if d.offer.Version == version {
				d.offer, d.offered = updater.Check{}, time.Time{}
			}
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
// an update that runs, and is told as sd_notify(3) describes.
func (d *Daemon) ReloadForManager(ctx context.Context) {
	err := d.exclusively(ctx, true, func(ctx context.Context) (func() []updater.Event, error) {
		d.notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonicMicroseconds()))
		defer d.notify("READY=1")
		return d.reload(ctx)
	})
	if err != nil && ctx.Err() == nil {
		d.Log.Error("the configuration stays as it was", "error", err)
	}
}

func (d *Daemon) reload(context.Context) (func() []updater.Event, error) {
	engine, rules, err := d.ReadAgain()
	if err != nil {
		return nil, err
	}
	return func() []updater.Event {
		d.reconfigure(engine, rules)
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
		if hold != nil {
			d.Log.Info("updates are held", "event", "held", "reason", hold.Reason, "until", hold.Until)
		} else {
			d.Log.Info("updates are not held any more", "event", "released")
		}
		d.publish()
		d.lookSoon()
	})
	return cmp.Or(err, refused)
}

// History returns at most limit transactions, newest first; 0: all.
func (d *Daemon) History(_ context.Context, limit int) ([]updater.HistoryEntry, error) {
	history := d.system().Record().History
	if limit > 0 {
		history = history[:min(limit, len(history))]
	}
	return history, nil
}
