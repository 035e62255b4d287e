// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"testing"
	"time"

	"github.com/clipos/updater/updater"
)

// TestNotNow: an install that failed is offered again, after a day if the user
// has seen that it failed.
func TestNotNow(t *testing.T) {
	clicks := func(act action) func(*testing.T, *applet) {
		return func(t *testing.T, a *applet) { a.clicked(t.Context(), a.screen.id, act) }
	}
	goes := func(why closeReason) func(*testing.T, *applet) {
		return func(t *testing.T, a *applet) { a.closed(t.Context(), a.screen.id, why) }
	}
	refused := func(w *world) { w.problem = &problem{action: actionInstall, name: "NetworkUnavailable"} }
	checked := func(w *world) { w.problem = &problem{action: actionCheck, name: "NetworkUnavailable"} }
	for name, test := range map[string]struct {
		world  world
		answer func(*testing.T, *applet)
		// soon and tomorrow are what is shown then, when nothing fails any more.
		soon, tomorrow kind
	}{
		"refused, later":         {with(offered, blockedBy("mode"), refused), clicks(actionLater), kindNone, kindAvailable},
		"refused, dismissed":     {with(offered, blockedBy("mode"), refused), goes(closedDismissed), kindNone, kindAvailable},
		"failed, later":          {with(failedWith("NoSpaceESP"), blockedBy("mode")), clicks(actionLater), kindNone, kindAvailable},
		"failed, dismissed":      {with(failedWith("NoSpaceESP"), blockedBy("mode")), goes(closedDismissed), kindNone, kindAvailable},
		"failed, gone by itself": {with(failedWith("NoSpaceESP"), blockedBy("mode")), goes(closedExpired), kindNone, kindAvailable},
		"failed, nobody clicks":  {with(failedWith("NoSpaceESP"), blockedBy("mode")), func(*testing.T, *applet) {}, kindAvailable, kindAvailable},
		"failed, the offer was dismissed": {with(failedWith("NoSpaceESP"), blockedBy("mode"), func(w *world) {
			w.memory.answer(card{kind: kindAvailable, subject: newer}, time.Time{})
		}), clicks(actionLater), kindNone, kindNone},
		"a check failed": {with(offered, blockedBy("mode"), checked), clicks(actionLater), kindAvailable, kindAvailable},
	} {
		t.Run(name, func(t *testing.T) {
			a, server := newDesk(t)
			a.world = test.world
			a.refresh(t.Context())
			if n := <-server.notified; n.summary != "System update failed" {
				t.Fatalf("%+v", n)
			}
			test.answer(t, a)
			checked := with(offered, blockedBy("mode"))
			checked.memory, checked.problem = a.world.memory, a.world.problem
			for _, then := range []struct {
				after time.Duration
				want  kind
			}{{time.Minute, test.soon}, {postponed + time.Minute, test.tomorrow}} {
				checked.now = wallTime().Add(then.after)
				if c := decide(checked).card; c.kind != then.want {
					t.Errorf("after %v: %q, want %q", then.after, c.kind, then.want)
				}
			}
		})
	}
}

// TestInstallFails: the offer is away while it is installed, and comes back when
// the next check forgets the failure.
func TestInstallFails(t *testing.T) {
	s := newSample(t, with(offered, blockedBy("mode")))
	s.start()
	s.server.click(t, s.server.sees(t, "System update available"), actionInstall)
	s.asks("update " + newer)
	s.publish(with(updating, blockedBy("mode")))
	s.server.dismiss(t, s.server.sees(t, "Installing the update"), closedDismissed)
	s.remembered("progress:{Subject:t1")
	s.publish(with(failedWith("NoSpaceESP"), blockedBy("mode")))
	s.service.Emit(updater.CompletedEvent{Transaction: "t1", Version: newer, Err: updater.ErrNoSpaceESP})
	s.server.sees(t, "System update failed")
	s.publish(with(offered, blockedBy("mode")))
	s.server.sees(t, "System update available")
}
