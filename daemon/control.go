// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/clipos/updater/updater"
)

// do runs f in the loop and waits for it.
func (d *Daemon) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case d.calls <- func() { f(); close(done) }:
		<-done
		return nil
	case <-d.stopped:
		return updater.ErrCancelled
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Check asks the server now. A check that is running already is joined; while
// an update runs the error is ErrBusy. When ctx ends the check goes on.
func (d *Daemon) Check(ctx context.Context) (updater.Check, error) {
	var j *job
	var refused error
	err := d.do(ctx, func() {
		switch {
		case d.stopping:
			refused = updater.ErrCancelled
		case d.job == nil:
			j = d.beginCheck(ctx, false)
		case d.job.isUpdate():
			refused = updater.ErrBusy
		default:
			j = d.job
		}
	})
	if err != nil || refused != nil {
		return updater.Check{}, cmp.Or(err, refused)
	}
	return j.wait(ctx)
}

func (j *job) wait(ctx context.Context) (updater.Check, error) {
	select {
	case <-j.done:
		return j.check, j.err
	case <-ctx.Done():
		return updater.Check{}, fmt.Errorf("%w: no answer in time", updater.ErrNetworkUnavailable)
	}
}

// Update begins to install version, or the newest when it is empty, and
// returns the transaction. Whatever can be refused is refused here. The same
// version as the one being installed joins; another is ErrBusy.
func (d *Daemon) Update(ctx context.Context, version string) (transaction string, err error) {
	if transaction, err = d.join(ctx, version); transaction != "" || err != nil {
		return transaction, err
	}
	if version == "" {
		version, err = d.newest(ctx)
	} else {
		err = d.Engine.Acceptable(ctx, version)
	}
	if err != nil {
		return "", err
	}
	var refused error
	err = d.do(ctx, func() {
		switch {
		case d.stopping:
			refused = updater.ErrCancelled
		case d.job == nil:
			var j *job
			if j, refused = d.beginUpdate(ctx, version, false); refused == nil {
				transaction = j.transaction
			}
		case d.job.isUpdate() && d.job.version == version:
			transaction = d.job.transaction
		default:
			refused = updater.ErrBusy
		}
	})
	return transaction, cmp.Or(err, refused)
}

// join returns the transaction that runs when it is for the same version.
func (d *Daemon) join(ctx context.Context, version string) (transaction string, err error) {
	var refused error
	err = d.do(ctx, func() {
		if d.job == nil || !d.job.isUpdate() {
			return
		}
		if version != "" && version != d.job.version {
			refused = fmt.Errorf("%w: %s", updater.ErrBusy, d.job.version)
			return
		}
		transaction = d.job.transaction
	})
	return transaction, cmp.Or(err, refused)
}

// newest returns the version the server offers, asked for again when the last
// answer is old.
func (d *Daemon) newest(ctx context.Context) (string, error) {
	var offer updater.Check
	err := d.do(ctx, func() {
		if time.Since(d.offered) < freshCheck {
			offer = d.offer
		}
	})
	if err == nil && !offer.Available {
		offer, err = d.Check(ctx)
	}
	if err != nil {
		return "", err
	}
	if !offer.Available {
		return "", fmt.Errorf("%w: %s runs, the server offers %s", updater.ErrNoUpdate, offer.Running, offer.Version)
	}
	return offer.Version, nil
}

// Cancel ends a transaction, or the one that runs when it is empty.
func (d *Daemon) Cancel(ctx context.Context, transaction string) error {
	var refused error
	err := d.do(ctx, func() {
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
	return d.Engine.Installed(ctx)
}

// Overview returns what was published last, at once.
func (d *Daemon) Overview() updater.Overview { return *d.published.Load() }
