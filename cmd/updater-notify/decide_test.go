// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

const (
	running = "5.0.0-alpha.1"
	newer   = "5.0.0-alpha.3"
)

// evening is a time at which people make appointments.
var evening = time.Date(2026, 5, 1, 22, 0, 0, 0, time.UTC)

// quiet is a world in which there is nothing to see.
func quiet() world {
	return world{
		now:     evening,
		session: session{known: true, active: true},
		service: service{known: true, overview: dbusapi.Overview{Overview: updater.Overview{
			OSName: "clipos", RunningVersion: running, State: updater.StateIdle, LastSuccess: evening.Add(-time.Hour),
		}}},
	}
}

// with is quiet, changed.
func with(changes ...func(*world)) world {
	w := quiet()
	for _, change := range changes {
		change(&w)
	}
	return w
}

func blockedBy(codes ...policy.BlockerCode) func(*world) {
	return func(w *world) {
		for _, code := range codes {
			w.service.overview.Blockers = append(w.service.overview.Blockers, updater.Blocker{Code: code})
		}
	}
}

func offered(w *world) {
	w.service.overview.AvailableVersion = newer
	w.memory.Offered, w.memory.OfferedSince = newer, evening.Add(-time.Hour)
}

func pending(w *world) {
	o := &w.service.overview
	o.State, o.PendingVersion, o.RebootRequired = updater.StateRebootRequired, newer, true
}

func updating(w *world) {
	o := &w.service.overview
	o.State, o.Transaction, o.AvailableVersion = updater.StateUpdating, "t1", newer
	o.Status = updater.Status{Stage: updater.StageFetching, Progress: 0.41}
}

// failedWith is an update that the service did not bring to an end.
func failedWith(name string) func(*world) {
	return func(w *world) {
		o := &w.service.overview
		o.State, o.AvailableVersion = updater.StateFailed, newer
		o.LastError = &dbusapi.RemoteError{Name: "org.clipos.Updater1.Error." + name, Message: "it went wrong"}
		w.service.last = updater.HistoryEntry{Transaction: "t1", Version: newer, Result: updater.ResultFailed, ErrorName: name}
	}
}

func stale(w *world) {
	o := &w.service.overview
	o.Stale, o.LastSuccess = true, evening.Add(-15*24*time.Hour)
}

func rolledBack(w *world) { w.service.overview.FailedVersions = []string{newer, "4.9.9"} }

// answered is what the user said to the card that a world would show.
func answered(until time.Time) func(*world) {
	return func(w *world) {
		w.memory.answer(decide(*w).card, until)
	}
}

func later(d time.Duration) func(*world) { return func(w *world) { w.now = w.now.Add(d) } }

// TestVisible: what the user sees, and when that is looked at again.
func TestVisible(t *testing.T) {
	for name, test := range map[string]struct {
		world   world
		kind    kind
		actions []action
		wake    time.Duration // after evening; 0: never
	}{
		"nothing is known":        {world{now: evening, session: session{known: true, active: true}}, kindNone, nil, 0},
		"nobody asked logind":     {with(pending, func(w *world) { w.session = session{} }), kindNone, nil, 0},
		"nothing to see":          {quiet(), kindNone, nil, 0},
		"installed by itself":     {with(offered), kindNone, nil, 0},
		"left to the user":        {with(offered, blockedBy("mode")), kindAvailable, []action{actionInstall, actionDetails, actionLater}, 0},
		"outside a window":        {with(offered, blockedBy("outside-window")), kindNone, nil, 0},
		"held":                    {with(offered, blockedBy("mode", "held")), kindNone, nil, 0},
		"somebody rolled back":    {with(offered, blockedBy("mode", "rollback")), kindNone, nil, 0},
		"not confirmed":           {with(offered, blockedBy("mode", "not-confirmed")), kindNone, nil, 0},
		"on battery, for an hour": {with(offered, blockedBy("on-battery")), kindNone, nil, 23 * time.Hour},
		"on battery, for a day":   {with(offered, blockedBy("on-battery"), later(23*time.Hour)), kindAvailable, []action{actionInstall, actionDetails, actionLater}, 0},
		"metered, for a day":      {with(offered, blockedBy("metered"), later(23*time.Hour)), kindAvailable, []action{actionInstall, actionDetails, actionLater}, 0},

		"updating":                {with(updating), kindProgress, nil, 0},
		"updating, dismissed":     {with(updating, answered(time.Time{})), kindNone, nil, 0},
		"another one is updating": {with(updating, answered(time.Time{}), func(w *world) { w.service.overview.Transaction = "t2" }), kindProgress, nil, 0},
		"updating the offer":      {with(offered, blockedBy("mode"), updating, answered(time.Time{})), kindNone, nil, 0},
		"asked to, dismissed":     {with(offered, blockedBy("mode"), func(w *world) { w.asking = actionInstall }, answered(time.Time{})), kindNone, nil, 0},
		"asked to install":        {with(offered, blockedBy("mode"), func(w *world) { w.asking = actionInstall }), kindProgress, nil, 0},

		"ready":                    {with(pending), kindReady, []action{actionRestart, actionTonight, actionLater}, 0},
		"ready, dismissed":         {with(pending, answered(time.Time{})), kindNone, nil, 0},
		"ready, later":             {with(pending, answered(evening.Add(postponed))), kindNone, nil, postponed},
		"ready, a day later":       {with(pending, answered(evening.Add(postponed)), later(postponed)), kindReady, []action{actionRestart, actionTonight, actionLater}, 0},
		"ready, the clock is back": {with(pending, answered(evening.Add(postponed)), later(-time.Hour)), kindReady, []action{actionRestart, actionTonight, actionLater}, 0},
		"another version is ready": {with(pending, answered(time.Time{}), func(w *world) { w.service.overview.PendingVersion = "5.0.1" }), kindReady, []action{actionRestart, actionTonight, actionLater}, 0},
		"ready, and a newer offer": {with(pending, offered, blockedBy("mode")), kindReady, []action{actionRestart, actionTonight, actionLater}, 0},
		"the offer, when answered": {with(pending, offered, blockedBy("mode"), answered(time.Time{})), kindAvailable, []action{actionInstall, actionDetails, actionLater}, 0},
		"asked to restart":         {with(pending, func(w *world) { w.asking = actionRestart }), kindNone, nil, 0},

		"failed":                         {with(failedWith("NoSpaceESP")), kindFailed, []action{actionRetry, actionDetails, actionLater}, 0},
		"failed, dismissed":              {with(failedWith("NoSpaceESP"), answered(time.Time{})), kindNone, nil, 0},
		"failed otherwise":               {with(failedWith("NoSpaceESP"), answered(time.Time{}), failedWith("WriteFailed")), kindFailed, []action{actionRetry, actionDetails, actionLater}, 0},
		"failed, tried again by itself":  {with(failedWith("NetworkUnavailable")), kindNone, nil, 0},
		"failed, nobody tries again":     {with(failedWith("NetworkUnavailable"), blockedBy("mode"), func(w *world) { w.memory.Answers = map[kind]answer{kindAvailable: {Subject: newer}} }), kindFailed, []action{actionRetry, actionDetails, actionLater}, 0},
		"failed, the user had asked":     {with(failedWith("NetworkUnavailable"), func(w *world) { w.memory.Asked = newer }), kindFailed, []action{actionRetry, actionDetails, actionLater}, 0},
		"a check failed":                 {with(failedWith("SignatureInvalid"), func(w *world) { w.service.last.ErrorName = "NoSpaceESP" }), kindNone, nil, 0},
		"failed, and installed meantime": {with(failedWith("NoSpaceESP"), func(w *world) { w.service.overview.RunningVersion = newer }), kindNone, nil, 0},
		"refused": {with(offered, blockedBy("mode"), func(w *world) {
			w.problem = &problem{action: actionInstall, name: "AccessDenied"}
		}), kindFailed, []action{actionRetry, actionDetails, actionLater}, 0},
		"refused, with all there is to know": {with(func(w *world) {
			w.problem, w.details = &problem{action: actionInstall, name: "AccessDenied"}, "asked"
		}), kindFailed, []action{actionRetry, actionLater}, 0},
		"the restart was refused, which was answered before": {with(pending, answered(time.Time{}), func(w *world) {
			w.problem = &problem{action: actionRestart, inhibitor: inhibitor{"Writer", "not saved"}}
		}), kindReady, []action{actionRestart, actionTonight, actionLater}, 0},

		"rolled back":                    {with(rolledBack), kindRolledBack, nil, 0},
		"rolled back, dismissed":         {with(rolledBack, answered(time.Time{})), kindNone, nil, 0},
		"rolled back, and a newer runs":  {with(rolledBack, func(w *world) { w.service.overview.RunningVersion = "5.0.0" }), kindNone, nil, 0},
		"rolled back, an older is ready": {with(rolledBack, pending, func(w *world) { w.service.overview.PendingVersion = "5.0.0-alpha.2" }), kindRolledBack, nil, 0},
		"rolled back, a newer is ready":  {with(rolledBack, pending, func(w *world) { w.service.overview.PendingVersion = "5.0.0" }), kindReady, []action{actionRestart, actionTonight, actionLater}, 0},
		"rolled back, a newer is there":  {with(rolledBack, blockedBy("mode"), func(w *world) { w.service.overview.AvailableVersion = "5.0.0-alpha.10" }), kindAvailable, []action{actionInstall, actionDetails, actionLater}, 0},
		"marked bad while it runs":       {with(func(w *world) { w.service.overview.FailedVersions = []string{running} }), kindNone, nil, 0},
		"rolled back, from no version":   {with(func(w *world) { w.service.overview.FailedVersions = []string{"<b>"} }), kindNone, nil, 0},
		"stale":                          {with(stale), kindStale, []action{actionCheck, actionLater}, 0},
		"stale, dismissed":               {with(stale, answered(time.Time{})), kindNone, nil, 0},
		"stale for the second time":      {with(stale, answered(time.Time{}), func(w *world) { w.service.overview.LastSuccess = evening.Add(-14 * 24 * time.Hour) }), kindStale, []action{actionCheck, actionLater}, 0},
		"never a check":                  {with(stale, func(w *world) { w.service.overview.LastSuccess = time.Time{} }), kindStale, []action{actionCheck, actionLater}, 0},
		"the service is gone for a bit":  {with(pending, func(w *world) { w.service.goneSince = evening.Add(-time.Second) }), kindReady, []action{actionRestart, actionTonight, actionLater}, goneLimit - time.Second},
		"the service is gone for longer": {with(pending, func(w *world) { w.service.goneSince = evening.Add(-goneLimit) }), kindNone, nil, 0},
		"somebody else has the screen":   {with(pending, func(w *world) { w.session.active = false }), kindNone, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			before := test.world.memory.clone()
			d := decide(test.world)
			if d.card.kind != test.kind || !slices.Equal(d.card.actions, test.actions) || d.restart {
				t.Errorf("%+v, restart %t; want %q with %q", d.card, d.restart, test.kind, test.actions)
			}
			var wake time.Duration
			if !d.wake.IsZero() {
				wake = d.wake.Sub(evening)
			}
			if wake != test.wake {
				t.Errorf("wakes after %v, want %v", wake, test.wake)
			}
			if len(before.Answers) != len(test.world.memory.Answers) {
				t.Error("the world has changed")
			}
			if again := decide(world{
				now: test.world.now, service: test.world.service, session: test.world.session, memory: d.memory, asking: test.world.asking,
				problem: test.world.problem, details: test.world.details, plan: test.world.plan, noticed: test.world.noticed,
			}); again.card.kind != d.card.kind || again.card.subject != d.card.subject {
				t.Errorf("decided anew: %+v", again.card)
			}
		})
	}
}

// TestOrder: of several matters the one to be heard first.
func TestOrder(t *testing.T) {
	w := with(pending, offered, rolledBack, stale, blockedBy("mode"), func(w *world) {
		w.problem = &problem{action: actionInstall, name: "NoSpaceESP"}
		w.service.overview.Transaction = ""
	})
	var seen []kind
	for {
		c := decide(w).card
		if c.kind == kindNone {
			break
		}
		seen = append(seen, c.kind)
		w.problem = nil
		if c.kind != kindFailed {
			w.memory.answer(c, time.Time{})
		}
	}
	if want := []kind{kindFailed, kindRolledBack, kindReady, kindAvailable, kindStale}; !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
}

// TestMemory: what is noted of what the service says, and forgotten when it is
// over.
func TestMemory(t *testing.T) {
	w := with(offered, func(w *world) { w.memory = memory{Asked: newer} })
	d := decide(w)
	if d.memory.Offered != newer || !d.memory.OfferedSince.Equal(evening) || d.memory.Asked != newer {
		t.Errorf("%+v", d.memory)
	}
	w.memory, w.now = d.memory, evening.Add(time.Hour)
	if d = decide(w); !d.memory.OfferedSince.Equal(evening) {
		t.Errorf("%+v", d.memory)
	}
	w.service.overview.AvailableVersion, w.service.overview.PendingVersion = "", newer
	if d = decide(w); d.memory.Offered != "" || !d.memory.OfferedSince.IsZero() || d.memory.Asked != "" {
		t.Errorf("%+v", d.memory)
	}
}

// TestFailed: what the user is told of an error.
func TestFailed(t *testing.T) {
	if p := failed(actionRestart, &inhibitedError{inhibitor{"Writer", "not saved"}}); p.name != "" || p.inhibitor.who != "Writer" {
		t.Errorf("%+v", p)
	}
	if p := failed(actionInstall, dbusapi.ErrNoBus); p.name != "NoServer" || p.action != actionInstall {
		t.Errorf("%+v", p)
	}
	if p := failed(actionInstall, errors.New("x")); p.name != "Internal" || p.message != "x" {
		t.Errorf("%+v", p)
	}
}
