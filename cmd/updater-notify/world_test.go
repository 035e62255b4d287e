// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
)

// TestWallTime: no time that is decided by has a monotonic reading, by which a
// computer that slept until the morning would restart when somebody opens it.
func TestWallTime(t *testing.T) {
	ready := card{kind: kindReady, subject: newer, version: newer}
	until := func(a *applet) time.Time { return a.world.memory.Answers[kindReady].Until }
	for name, stamp := range map[string]func(context.Context, *applet) time.Time{
		"now": func(ctx context.Context, a *applet) time.Time {
			a.refresh(ctx)
			return a.world.now
		},
		"noticed": func(ctx context.Context, a *applet) time.Time {
			a.show(ctx, card{kind: kindImminent, subject: newer})
			a.refresh(ctx)
			return a.world.noticed
		},
		"later": func(ctx context.Context, a *applet) time.Time {
			a.perform(ctx, actionLater, ready)
			return until(a)
		},
		"no restart": func(ctx context.Context, a *applet) time.Time {
			a.perform(ctx, actionStay, ready)
			return until(a)
		},
		"tonight": func(ctx context.Context, a *applet) time.Time {
			a.perform(ctx, actionTonight, ready)
			return a.world.memory.Restart.At
		},
		"expired": func(ctx context.Context, a *applet) time.Time {
			a.show(ctx, ready)
			a.closed(ctx, a.screen.id, closedExpired)
			return until(a)
		},
		"no service": func(_ context.Context, a *applet) time.Time {
			a.heard(dbusapi.Vanished{}, nil)
			return a.world.service.goneSince
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := newDesk(t)
			// Equal would not see it.
			if got := stamp(t.Context(), a); got.IsZero() || got != got.Round(0) {
				t.Errorf("%v", got)
			}
		})
	}
}

// newDesk is a program with a notification server, that nobody runs.
func newDesk(t *testing.T) (*applet, *fakeServer) {
	t.Helper()
	session := dbustest.Start(t)
	fake := startServer(t, session, "actions", "body")
	server, signals, err := openServer(t.Context(), session.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.bus.Close() })
	go func() {
		for range signals { // what happens, the test says itself
		}
	}()
	words, err := newWords([]string{"en_GB.UTF-8"})
	if err != nil {
		t.Fatal(err)
	}
	a := newApplet(options{state: t.TempDir() + "/state.json"}, words, slog.New(slog.DiscardHandler))
	a.server = server
	return a, fake
}
