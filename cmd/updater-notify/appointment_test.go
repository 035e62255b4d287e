// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"testing"
	"time"

	"github.com/clipos/updater/updater"
)

// night is when a computer restarts that was told so in the evening.
var night = time.Date(2026, 5, 2, tonightHour, 0, 0, 0, time.UTC)

func TestTonight(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ now, at time.Time }{
		"in the evening":      {evening, night},
		"after midnight":      {night.Add(-2 * time.Hour), night},
		"just before":         {night.Add(-10 * time.Minute), night.AddDate(0, 0, 1)},
		"just after":          {night.Add(time.Minute), night.AddDate(0, 0, 1)},
		"in the morning":      {night.Add(6 * time.Hour), night.AddDate(0, 0, 1)},
		"the night is longer": {time.Date(2026, 10, 24, 22, 0, 0, 0, paris), time.Date(2026, 10, 25, 3, 0, 0, 0, paris)},
		"the last of a month": {time.Date(2026, 12, 31, 22, 0, 0, 0, paris), time.Date(2027, 1, 1, 3, 0, 0, 0, paris)},
	} {
		t.Run(name, func(t *testing.T) {
			a := tonight(newer, test.now)
			if !a.At.Equal(test.at) || !a.End.Equal(test.at.Add(tonightWindow)) || a.Version != newer {
				t.Errorf("%+v, want it at %v", a, test.at)
			}
		})
	}
}

// agreed is a world in which the user agreed to a restart tonight.
func agreed(w *world) {
	pending(w)
	w.memory.Restart = tonight(newer, evening)
}

func at(now time.Time) func(*world) { return func(w *world) { w.now = now } }

func noticed(since time.Time) func(*world) { return func(w *world) { w.noticed = since } }

func takenAway(times int, at time.Time) func(*world) {
	return func(w *world) { w.unread = unread{at.Format(time.RFC3339), times} }
}

// late is the last restart that is tried.
func late(w *world) { w.memory.Restart.At = w.memory.Restart.End }

func used(u usage) func(*world) { return func(w *world) { w.session.usage = u } }

// TestAppointment: when the computer restarts, and above all when not.
func TestAppointment(t *testing.T) {
	due, end := night.Add(noticeTime), night.Add(tonightWindow)
	for name, test := range map[string]struct {
		world   world
		kind    kind
		restart bool
		// next is when the appointment is then; zero: it is given up.
		next, wake time.Time
	}{
		"agreed":                     {with(agreed), kindPlanned, false, night, night},
		"agreed, seen":               {with(agreed, answered(time.Time{})), kindNone, false, night, night},
		"nobody asked logind yet":    {with(agreed, at(night), func(w *world) { w.session = session{} }), kindNone, false, night, time.Time{}},
		"it is time":                 {with(agreed, at(night)), kindImminent, false, night, due.Add(missedAfter + time.Second)},
		"on the screen":              {with(agreed, at(night.Add(time.Second)), noticed(night)), kindImminent, false, night, due},
		"nobody is there":            {with(agreed, at(due), noticed(night)), kindPlanned, true, due.Add(putOff), due.Add(putOff)},
		"nobody is known to be":      {with(agreed, at(due), noticed(night), used(usageUnknown)), kindPlanned, true, due.Add(putOff), due.Add(putOff)},
		"the screen is locked":       {with(agreed, at(due), noticed(night), used(usageIdle)), kindPlanned, true, due.Add(putOff), due.Add(putOff)},
		"somebody works":             {with(agreed, at(night), used(usageBusy)), kindPlanned, false, night.Add(putOff), night.Add(putOff)},
		"somebody comes":             {with(agreed, at(due), noticed(night), used(usageBusy)), kindPlanned, false, due.Add(putOff), due.Add(putOff)},
		"somebody else has it":       {with(agreed, at(night), func(w *world) { w.session.active = false }), kindNone, false, night.Add(putOff), night.Add(putOff)},
		"an update runs":             {with(agreed, at(night), func(w *world) { w.service.overview.State = updater.StateUpdating }), kindPlanned, false, night.Add(putOff), night.Add(putOff)},
		"somebody works all night":   {with(agreed, at(night.Add(tonightWindow)), used(usageBusy)), kindReady, false, time.Time{}, time.Time{}},
		"nobody could see it":        {with(agreed, at(due.Add(missedAfter))), kindImminent, false, night, due.Add(missedAfter + time.Second)},
		"nobody could see it at all": {with(agreed, at(due.Add(missedAfter+time.Second))), kindReady, false, time.Time{}, time.Time{}},
		"it was seen late":           {with(agreed, at(due), noticed(night.Add(5*time.Minute))), kindImminent, false, night, due.Add(5 * time.Minute)},
		"an older notice":            {with(agreed, at(night), noticed(night.Add(-time.Hour))), kindImminent, false, night, due.Add(missedAfter + time.Second)},
		"it went away unread":        {with(agreed, at(night), takenAway(1, night)), kindImminent, false, night, due.Add(missedAfter + time.Second)},
		"it always goes away":        {with(agreed, at(night), takenAway(unreadLimit, night)), kindPlanned, false, night.Add(putOff), night.Add(putOff)},
		"it always went away before": {with(agreed, at(night), takenAway(unreadLimit, evening)), kindImminent, false, night, due.Add(missedAfter + time.Second)},
		"the last always goes away":  {with(agreed, late, at(end), takenAway(unreadLimit, end)), kindReady, false, time.Time{}, time.Time{}},
		"the last is due":            {with(agreed, late, at(end.Add(noticeTime)), noticed(end)), kindReady, true, time.Time{}, time.Time{}},
		"the last was seen late":     {with(agreed, late, at(end.Add(noticeTime+1)), noticed(end.Add(time.Minute))), kindReady, false, time.Time{}, time.Time{}},
		"it slept till the morning":  {with(agreed, at(night.Add(5*time.Hour)), noticed(night)), kindReady, false, time.Time{}, time.Time{}},
		"he has logged in late":      {with(agreed, at(due.Add(-time.Minute)), noticed(due.Add(-time.Minute))), kindImminent, false, night, due.Add(noticeTime - time.Minute)},
		"it slept all the time":      {with(agreed, at(night.Add(5*time.Hour))), kindReady, false, time.Time{}, time.Time{}},
		"it has restarted":           {with(agreed, at(night), func(w *world) { *w = with(at(night)); w.memory.Restart = tonight(newer, evening) }), kindNone, false, time.Time{}, time.Time{}},
		"another version is ready":   {with(agreed, func(w *world) { w.service.overview.PendingVersion = "5.0.1" }), kindReady, false, time.Time{}, time.Time{}},
		"the service is away":        {with(agreed, at(due), noticed(night), func(w *world) { w.service.goneSince = evening }), kindNone, false, night, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(test.world)
			if d.card.kind != test.kind || d.restart != test.restart {
				t.Errorf("%q, restart %t; want %q, %t", d.card.kind, d.restart, test.kind, test.restart)
			}
			var next time.Time
			if d.memory.Restart != nil {
				next = d.memory.Restart.At
			}
			if !next.Equal(test.next) || !d.wake.Equal(test.wake) {
				t.Errorf("next %v, wakes %v; want %v, %v", next, d.wake, test.next, test.wake)
			}
		})
	}
}

// TestGivenUp: what the user answered before is asked again in the morning.
func TestGivenUp(t *testing.T) {
	w := with(pending, answered(time.Time{}), agreed, at(night.Add(5*time.Hour)))
	if c := decide(w).card; c.kind != kindReady {
		t.Errorf("%+v", c)
	}
}
