// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"log/slog"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/clipos/updater/daemon"
	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// serve runs the daemon and its bus service until ctx ends. The service goes
// last, so that the end of the last job is still told.
func serve(ctx context.Context, o options, log *slog.Logger) (err error) {
	config, u, err := open(o, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.Close()) }()
	rules, err := updater.LoadRules(o.paths)
	if err != nil {
		return err
	}
	watchdog, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		return err
	}
	d := daemon.New(daemon.Options{
		Engine:           u,
		OSName:           config.OSName,
		RunningVersion:   config.Running.String(),
		MachineID:        config.MachineID,
		Rules:            rules,
		Log:              log,
		Notify:           notify,
		WatchdogInterval: watchdog,
		BootComplete:     bootComplete(o.bus),
	})
	service := dbusapi.New(dbusapi.Options{Address: o.bus, DaemonVersion: daemonVersion(), Log: log}, d)
	d.Attach(service)
	defer serveMetrics(ctx, d, log)()
	return runBoth(ctx, d, service)
}

// runBoth starts the daemon once the service owns its name: what the daemon
// says first, how an interrupted update ended, is then heard.
func runBoth(ctx context.Context, d *daemon.Daemon, service *dbusapi.Service) error {
	onBus, leaveBus := context.WithCancel(context.WithoutCancel(ctx))
	defer leaveBus()
	ready := make(chan struct{})
	left := make(chan error, 1)
	go func() { left <- service.Run(onBus, func() { close(ready) }) }()
	select {
	case err := <-left:
		return err
	case <-ctx.Done():
		leaveBus()
		return <-left
	case <-ready:
	}
	err := d.Run(ctx)
	leaveBus()
	return errors.Join(err, <-left)
}

// notify tells systemd; without one it does nothing.
func notify(state string) error {
	_, err := sd.SdNotify(false, state)
	return err
}
