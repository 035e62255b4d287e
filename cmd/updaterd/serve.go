// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/clipos/updater/cmd/internal/stamp"
	"github.com/clipos/updater/daemon"
	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// engine is the whole of what an updater does, for a daemon.
var _ daemon.Engine = (*updater.Updater)(nil)

// serve runs the daemon and its bus service until ctx ends. The service goes
// last, so that the end of the last job is still told.
func serve(ctx context.Context, o options, log *slog.Logger) (err error) {
	sockets := inherited(log)
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
		Sysfs:            o.paths.At("/sys"),
		Metered:          func(ctx context.Context) (bool, error) { return dbusapi.Metered(ctx, o.bus) },
		Inhibit:          func(ctx context.Context, why string) (func(), error) { return dbusapi.Inhibit(ctx, o.bus, why) },
		ReadAgain:        func() (daemon.Engine, policy.Rules, error) { return readAgain(o, config, u) },
		ErrorName:        dbusapi.ErrorName,
	})
	service := dbusapi.New(dbusapi.Options{Address: o.bus, DaemonVersion: stamp.Version(version), Log: log}, d)
	d.Attach(service)
	defer serveMetrics(ctx, d, sockets, log)()
	defer reloadOnHangup(ctx, d)()
	return runBoth(ctx, d, service)
}

// readAgain reads the configuration for a daemon that runs. What it is and
// what system it keeps cannot change meanwhile.
func readAgain(o options, was *updater.Config, u *updater.Updater) (daemon.Engine, policy.Rules, error) {
	config, err := updater.Load(o.paths)
	if err != nil {
		return nil, policy.Rules{}, err
	}
	if config.OSName != was.OSName || config.Running.Compare(was.Running) != 0 {
		return nil, policy.Rules{}, fmt.Errorf("%w: os_name or the running version has changed: restart the service", updater.ErrConfigInvalid)
	}
	rules, err := updater.LoadRules(o.paths)
	if err != nil {
		return nil, policy.Rules{}, err
	}
	return u.Reconfigured(config), rules, nil
}

// reloadOnHangup obeys SIGHUP until ctx ends or stop is called. One that comes
// before the daemon runs is obeyed then.
func reloadOnHangup(ctx context.Context, d *daemon.Daemon) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-hangup:
				d.ReloadForManager(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangup)
		cancel()
	}
}

// runBoth brings order to the disk, takes the name, and then starts the daemon:
// whoever finds the service finds it complete, and what the daemon says first,
// how an interrupted update ended, is heard. While another one has the name the
// disk may be at work.
func runBoth(ctx context.Context, d *daemon.Daemon, service *dbusapi.Service) error {
	if err := service.Vacant(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped, which is no failure
		}
		return err
	}
	d.Prepare(ctx)
	if ctx.Err() != nil {
		return nil // nobody is to find what was not read to the end
	}
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
