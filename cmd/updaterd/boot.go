// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"time"

	"github.com/clipos/updater/dbusapi"
)

// bootQueryLimit bounds one question to systemd.
const bootQueryLimit = 5 * time.Second

// bootComplete asks systemd on the daemon's bus whether all jobs of the boot
// have ended (org.freedesktop.systemd1(5), SystemState): "degraded" means that
// some unit failed, which is not for us to judge. A bus without systemd is
// that of a system that was never booted.
func bootComplete(address string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, bootQueryLimit)
		defer cancel()
		state, err := dbusapi.SystemState(ctx, address)
		if errors.Is(err, dbusapi.ErrNoSystemd) {
			return true, nil
		}
		return state == "running" || state == "degraded", err
	}
}
