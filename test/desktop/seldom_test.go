// SPDX-License-Identifier: LGPL-2.1-or-later

package desktop

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// said is a service that only says something.
type said struct {
	dbusapi.Controller
	overview updater.Overview
}

func (s said) Overview() updater.Overview { return s.overview }

func (s said) History(context.Context, int) ([]updater.HistoryEntry, error) { return nil, nil }

// TestSeldom: what takes two weeks, or a version that does not start.
func TestSeldom(t *testing.T) {
	t.Parallel()
	d := startDunst(newDesktop(t, "dunst", "fr_FR.UTF-8", "-wr"))
	o := updater.Overview{
		OSName: "clipos", RunningVersion: running, State: updater.StateIdle,
		FailedVersions: []string{newer}, LastSuccess: time.Now().Add(-15*24*time.Hour - time.Hour), Stale: true,
	}
	service := dbusapi.New(dbusapi.Options{Address: d.system.Address, DaemonVersion: "1", Log: slog.New(slog.DiscardHandler)}, said{overview: o})
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- service.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
	d.applet()
	d.sees("8-rolled-back", `Retour à la version 5\.0\.0-alpha\.1\nVotre ordinateur est revenu à la version 5\.0\.0-alpha\.1 car`)
	d.command("/usr/bin/dunstctl", "close")
	d.sees("9-stale", `Mises à jour non vérifiées\nDepuis 15\x{a0}jours`)
	if _, ok := d.closed()["Retour à la version 5.0.0-alpha.1"]; !ok {
		t.Errorf("dunst's history lacks it: %q", d.closed())
	}
}
