// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clipos/updater/updater"
)

// freshCheck is how old a check may be for its answer to be used again.
const freshCheck = 5 * time.Minute

// do runs f in the loop, with Run's context, and waits for it.
func (d *Daemon) do(ctx context.Context, f func(run context.Context)) error {
	done := make(chan struct{})
	select {
	case d.calls <- func(run context.Context) { defer close(done); f(run) }:
		<-done
		return nil
	case <-d.stopped:
		return updater.ErrCancelled
	case <-ctx.Done():
		return ctx.Err()
	}
}

// doAfter is do, again and again as long as f names a job that has to end
// first.
func (d *Daemon) doAfter(ctx context.Context, f func(run context.Context) (before *job, err error)) error {
	for {
		var before *job
		var refused error
		err := d.do(ctx, func(run context.Context) { before, refused = f(run) })
		if err := cmp.Or(err, refused); err != nil || before == nil {
			return err
		}
		select {
		case <-before.done:
		case <-ctx.Done():
			return before.late()
		}
	}
}

// Check asks the server now. A check that is running already is joined; while
// an update runs the error is ErrBusy. When ctx ends the check goes on.
func (d *Daemon) Check(ctx context.Context) (updater.Check, error) {
	var check *job
	err := d.doAfter(ctx, func(run context.Context) (before *job, err error) {
		check, before, err = d.joinCheck(run)
		return before, err
	})
	if err != nil {
		return updater.Check{}, err
	}
	return check.wait(ctx)
}

// joinCheck returns the check that runs, or begins one, once no chore runs
// before it.
func (d *Daemon) joinCheck(run context.Context) (check, before *job, err error) {
	switch {
	case run.Err() != nil:
		return nil, nil, updater.ErrCancelled
	case d.job == nil:
		return d.beginCheck(run, false), nil, nil
	case d.job.isUpdate():
		return nil, nil, fmt.Errorf("%w: %s", updater.ErrBusy, d.job.version)
	case d.job.chore:
		return nil, d.job, nil
	}
	return d.job, nil, nil
}

// acceptLimit bounds the answer to whether a version may be installed, most of
// which is the server's; callers on the bus wait for 25 seconds.
const acceptLimit = 20 * time.Second

// Update begins to install version, or the newest when it is empty, and
// returns the transaction. Whatever can be refused is refused here. The same
// version as the one being installed joins; another is ErrBusy.
func (d *Daemon) Update(ctx context.Context, version string) (transaction string, err error) {
	if version == "" {
		if version, err = d.newest(ctx); err != nil {
			return "", err
		}
	}
	// What runs is joined without asking anybody.
	if transaction, err = d.joinUpdate(ctx, version); transaction != "" || err != nil {
		return transaction, err
	}
	limited, cancel := context.WithTimeout(ctx, acceptLimit)
	defer cancel()
	return d.start(ctx, version, inTime(limited, d.system().Acceptable(limited, version)))
}

// inTime gives an error its name that an engine has called a cancellation:
// when the time was up, nobody has cancelled anything.
func inTime(ctx context.Context, err error) error {
	if errors.Is(err, updater.ErrCancelled) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: no answer in time", updater.ErrNetworkUnavailable)
	}
	return err
}

// joinUpdate returns the transaction that runs: "" for none, ErrBusy for
// another version's.
func (d *Daemon) joinUpdate(ctx context.Context, version string) (transaction string, err error) {
	ended := d.do(ctx, func(context.Context) {
		if d.job != nil && d.job.isUpdate() {
			transaction, err = d.job.join(version)
		}
	})
	return transaction, cmp.Or(ended, err)
}

// newest returns the version being installed, else the one the server offers,
// asked for again when its last answer is old.
func (d *Daemon) newest(ctx context.Context) (version string, err error) {
	var offer updater.Check
	var check *job
	err = d.doAfter(ctx, func(run context.Context) (before *job, err error) {
		switch {
		case d.job != nil && d.job.isUpdate():
			version = d.job.version
		case d.isFresh():
			offer = d.offer
		default:
			check, before, err = d.joinCheck(run)
		}
		return before, err
	})
	if err == nil && check != nil {
		offer, err = check.wait(ctx)
	}
	switch {
	case err != nil || version != "":
		return version, err
	case offer.FailedBefore:
		return "", fmt.Errorf("%s: %w", offer.Version, updater.ErrFailedBefore)
	case !offer.Available:
		return "", fmt.Errorf("%w: %s runs, the server offers %s", updater.ErrNoUpdate, offer.Running, offer.Version)
	}
	return offer.Version, nil
}

// isFresh tells that the server's last answer may be used again.
func (d *Daemon) isFresh() bool {
	age := d.wall().Sub(d.offered)
	return age >= 0 && age < freshCheck
}

// start begins an update against which refused may speak. The update of the
// same version that runs is joined all the same: that its volume is in use is
// no wonder. What else runs is waited for.
func (d *Daemon) start(ctx context.Context, version string, refused error) (transaction string, err error) {
	err = d.doAfter(ctx, func(run context.Context) (before *job, err error) {
		if d.job != nil && d.job.isUpdate() {
			transaction, err = d.job.join(version)
		}
		switch {
		case transaction != "" || err != nil:
		case refused != nil:
			err = refused
		case run.Err() != nil:
			err = updater.ErrCancelled
		case d.job != nil:
			before = d.job
		default:
			transaction, err = d.beginUpdate(run, &job{version: version, install: true})
		}
		return before, err
	})
	return transaction, err
}

// Cancel ends a transaction, or the one that runs when it is empty.
func (d *Daemon) Cancel(ctx context.Context, transaction string) error {
	var refused error
	err := d.do(ctx, func(context.Context) {
		if d.job == nil || !d.job.isUpdate() || transaction != "" && transaction != d.job.transaction {
			refused = updater.ErrNoTransaction
			return
		}
		refused = d.job.stop()
	})
	return cmp.Or(err, refused)
}

// ListVersions returns what is installed, read from the disk now.
func (d *Daemon) ListVersions(ctx context.Context) ([]updater.Installed, error) {
	return d.system().Installed(ctx)
}

// Overview returns what was published last, at once.
func (d *Daemon) Overview() updater.Overview { return *d.published.Load() }
