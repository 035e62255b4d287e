// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"time"

	"github.com/clipos/updater/updater"
)

// A restart that the user put off until tonight. This program keeps the
// appointment and not logind: what ScheduleShutdown was told at eleven it does
// when the lid is opened in the morning, without asking whether anybody works.
// It is in the state file, so that a logout in the evening does not undo it;
// where nobody has logged in again by then, the next session finds it missed.

const (
	// tonightHour is when, in local time, a computer restarts that nobody uses.
	tonightHour = 3
	// tonightSoonest is how far away that is at least.
	tonightSoonest = 30 * time.Minute
	// tonightWindow is for how long it is tried, when somebody works so late.
	tonightWindow = 3 * time.Hour
	// noticeTime is for how long the user is told before it restarts.
	noticeTime = 10 * time.Minute
	// missedAfter is how late it may be: a computer that slept wakes because
	// somebody wants to use it.
	missedAfter = 2 * time.Minute
	// putOff is when it is tried again, when somebody works.
	putOff = 30 * time.Minute
	// unreadLimit is how many notices of one restart may go away by themselves:
	// where each does, nobody can see one for long enough.
	unreadLimit = 2
)

// tonight is the appointment for a restart, made now.
func tonight(version string, now time.Time) *appointment {
	at := time.Date(now.Year(), now.Month(), now.Day(), tonightHour, 0, 0, 0, now.Location())
	if at.Before(now.Add(tonightSoonest)) {
		at = time.Date(now.Year(), now.Month(), now.Day()+1, tonightHour, 0, 0, 0, now.Location())
	}
	return &appointment{Version: version, At: at, End: at.Add(tonightWindow)}
}

// keepAppointment restarts when it is time, after a notice; which is returned
// while it is to be seen.
func (d *decision) keepAppointment(w world) card {
	r, o := d.memory.Restart, w.service.overview
	switch {
	case r == nil:
		return card{}
	case !o.RebootRequired || o.PendingVersion != r.Version:
		d.memory.Restart = nil
		return card{}
	case w.now.Before(r.At):
		d.wakeAt(r.At)
		return card{}
	case !w.session.active || w.session.usage == usageBusy || o.State == updater.StateUpdating:
		d.putOff(w.now)
		return card{}
	}
	return d.giveNotice(w)
}

// giveNotice shows that the computer is about to restart, and has it do so when
// the user could see that for long enough.
func (d *decision) giveNotice(w world) card {
	r := d.memory.Restart
	subject := r.At.UTC().Format(time.RFC3339)
	seen := !w.noticed.Before(r.At)
	due := r.At.Add(noticeTime)
	if seen {
		due = w.noticed.Add(noticeTime)
	}
	switch {
	case w.now.Sub(due) > missedAfter, w.now.After(r.End.Add(noticeTime)):
		d.giveUp()
		return card{}
	case w.unread.subject == subject && w.unread.times >= unreadLimit:
		d.putOff(w.now)
		return card{}
	case seen && !w.now.Before(due):
		d.restart = true
		d.putOff(w.now) // if it does not
		return card{}
	case seen:
		d.wakeAt(due)
	default:
		d.wakeAt(due.Add(missedAfter + time.Second))
	}
	return card{
		kind: kindImminent, subject: subject, version: r.Version, at: due,
		actions: []action{actionRestart, actionStay},
	}
}

// putOff tries again later tonight.
func (d *decision) putOff(now time.Time) {
	r := d.memory.Restart
	r.At = now.Add(putOff)
	if r.At.After(r.End) {
		d.giveUp()
		return
	}
	d.wakeAt(r.At)
}

// giveUp asks the user again.
func (d *decision) giveUp() {
	d.memory.Restart = nil
	d.memory.forget(kindReady)
}
