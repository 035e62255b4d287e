// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"time"

	"github.com/clipos/updater/updater"
)

// bootPollInterval is how often an unfinished boot is looked at.
const bootPollInterval = 30 * time.Second

// confirmBoot records that the running version came up, once it has. It runs
// beside the loop, which must not wait for systemd's answer.
func (d *Daemon) confirmBoot(ctx context.Context) {
	poll := time.NewTicker(bootPollInterval)
	defer poll.Stop()
	said := ""
	for {
		confirmed, err := d.confirm(ctx)
		if confirmed || ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			d.Log.Warn("cannot record yet that this version is good", "error", err)
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return
		}
	}
}

// confirm reads what is installed after the boot and not at start: only then
// systemd-bless-boot(8) has taken the running entry's counter away.
func (d *Daemon) confirm(ctx context.Context) (bool, error) {
	complete, err := d.BootComplete(ctx)
	if err != nil || !complete {
		return false, err
	}
	// Whether or not it can be recorded.
	if err := d.do(ctx, func(context.Context) { d.cameUp = true }); err != nil {
		return false, err
	}
	err = d.exclusively(ctx, true, func(ctx context.Context) (func() []updater.Event, error) {
		list, err := readInstalled(ctx, d.system())
		if err == nil {
			err = d.system().ConfirmGood(list)
		}
		return nothing, err
	})
	return err == nil, err
}
