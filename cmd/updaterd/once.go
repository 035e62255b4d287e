// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/clipos/updater/updater"
)

// once checks once and updates if there is something to update to. Nothing to
// do is a success.
func once(ctx context.Context, o options, log *slog.Logger) (err error) {
	_, u, err := open(o, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.Close()) }()
	recoverAndConfirm(ctx, u, log)
	outcome, err := u.Update(ctx, updater.Request{Report: logStages(log)})
	for _, n := range outcome.Notes {
		log.Info(n)
	}
	switch {
	case errors.Is(err, updater.ErrNoUpdate):
		log.Info("nothing to do", "reason", err)
		return nil
	case err != nil:
		return err
	}
	log.Info("installed, reboot to use it", "version", outcome.Version)
	return nil
}

// recoverAndConfirm puts right what an interrupted run left. A disk on which
// that is not possible is one that cannot be updated either, which the update
// finds out and says.
func recoverAndConfirm(ctx context.Context, u *updater.Updater, log *slog.Logger) {
	found, err := u.Recover(ctx)
	for _, n := range found.Notes {
		log.Info(n)
	}
	if err == nil {
		// Without a daemon nobody waits for the boot to complete: that this
		// program was started is all there is to know.
		_, err = u.ConfirmGood(found.Installed)
	}
	if err != nil {
		log.Warn("cannot put the system in order first", "error", err)
	}
}

// open reads the configuration and takes the state folder.
func open(o options, log *slog.Logger) (*updater.Config, *updater.Updater, error) {
	config, err := updater.Load(o.paths)
	if err != nil {
		return nil, nil, err
	}
	u, warning, err := updater.Open(config, o.paths)
	if err != nil {
		return nil, nil, err
	}
	if warning != nil {
		log.Warn(warning.Error())
	}
	return config, u, nil
}

func logStages(log *slog.Logger) func(updater.Status) {
	var last updater.Stage
	return func(s updater.Status) {
		if s.Stage != last {
			log.Info(string(s.Stage), "version", s.Version)
			last = s.Stage
		}
		log.Debug("progress", "stage", string(s.Stage), "bytes", s.BytesDone, "total", s.BytesTotal)
	}
}
