// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"time"

	"github.com/clipos/updater/updater"
)

const (
	// bootPollInterval is how often an unfinished boot is looked at.
	bootPollInterval = 30 * time.Second
	// bootPollLimit is the longest wait when the boot is complete and its
	// counter still there, which is read from the disk.
	bootPollLimit = 10 * time.Minute
)

// confirmBoot records that the running version came up, once it has. It runs
// beside the loop, which must not wait for systemd's answer.
func (d *Daemon) confirmBoot(ctx context.Context) {
	wait, said := bootPollInterval, ""
	for {
		complete, err := d.BootComplete(ctx)
		if err == nil && complete {
			var confirmed bool
			if confirmed, err = d.confirm(ctx); confirmed {
				return
			}
			if err == nil {
				wait = min(2*wait, bootPollLimit)
			}
		}
		if err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			d.Log.Warn("cannot record yet that this version is good", "error", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// confirm reads what is installed after the boot and not at start: only then
// systemd-bless-boot(8) has taken the running entry's counter away. That may
// come later still.
func (d *Daemon) confirm(ctx context.Context) (confirmed bool, err error) {
	// Whether or not it can be recorded.
	err = d.do(ctx, func(context.Context) { d.cameUp, confirmed = true, d.confirmed })
	if err != nil || confirmed {
		return confirmed, err
	}
	err = d.exclusively(ctx, true, func(ctx context.Context) (func() []updater.Event, error) {
		list, err := readInstalled(ctx, d.system())
		good := false
		if err == nil {
			good, err = d.system().ConfirmGood(list)
		}
		return func() []updater.Event { d.confirmed = good; return nil }, err
	})
	if err != nil {
		return false, err
	}
	err = d.do(ctx, func(context.Context) { confirmed = d.confirmed })
	return confirmed, err
}

// confirmLate records after a job that the running version is good, where its
// boots were still counted when the boot was complete.
func (d *Daemon) confirmLate() {
	if !d.cameUp || d.confirmed {
		return
	}
	confirmed, err := d.system().ConfirmGood(d.installed)
	if err != nil {
		d.Log.Error("cannot record that this version is good", "error", err)
	}
	d.confirmed = confirmed
}
