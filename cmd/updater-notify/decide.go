// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// decision is what follows from a world.
type decision struct {
	// card is what should be visible.
	card card
	// memory is what is remembered from now on.
	memory memory
	// restart tells that the computer is to restart now, as the user agreed.
	restart bool
	// wake is when to decide again although nothing happens; zero: never.
	wake time.Time
}

// decide says what should be visible. It is all there is to the behaviour of
// this program; it reads no clock and no file, and changes nothing.
func decide(w world) decision {
	d := decision{memory: w.memory.clone()}
	if !w.session.known || !w.service.speaks(w.now) {
		return d
	}
	if !w.service.goneSince.IsZero() {
		d.wakeAt(w.service.goneSince.Add(goneLimit))
	}
	d.takeNote(w)
	imminent := d.keepAppointment(w)
	if !w.session.active || w.asking == actionRestart {
		return d
	}
	w.memory = d.memory
	for _, c := range []card{
		imminent, w.progress(), w.failure(), w.rolledBack(), w.ready(), w.available(&d), w.stale(),
	} {
		if c.kind != kindNone && !d.isQuiet(w, c) {
			d.card = c
			break
		}
	}
	return d
}

// isQuiet tells that the user answered c and does not want to see it now. What
// the user asked for is answered in any case.
func (d *decision) isQuiet(w world, c card) bool {
	if c.problem != nil && c.problem.action != "" {
		return false
	}
	quiet, until := d.memory.answered(c, w.now)
	if quiet && !until.IsZero() {
		d.wakeAt(until)
	}
	return quiet
}

// wakeAt has it decided again then, or earlier.
func (d *decision) wakeAt(t time.Time) {
	if d.wake.IsZero() || t.Before(d.wake) {
		d.wake = t
	}
}

// takeNote remembers since when a version is offered, and forgets what is over.
func (d *decision) takeNote(w world) {
	m, o := &d.memory, w.service.overview
	if m.Offered != o.AvailableVersion {
		m.Offered, m.OfferedSince = o.AvailableVersion, w.now
		if o.AvailableVersion == "" {
			m.OfferedSince = time.Time{}
		}
	}
	if m.Asked == o.PendingVersion || !w.service.isNewer(m.Asked) {
		m.Asked = ""
	}
}

// progress shows the update that runs, or the one the user has just asked for.
func (w world) progress() card {
	o := w.service.overview
	switch {
	case o.State == updater.StateUpdating && o.Transaction != "":
		return card{kind: kindProgress, subject: o.Transaction, version: o.AvailableVersion, status: o.Status}
	case w.asking != "":
		// It has not begun; the server is asked first.
		return card{kind: kindProgress, subject: "asked", version: o.AvailableVersion, status: updater.Status{Stage: updater.StageChecking}}
	}
	return card{}
}

// passing are errors that the service gets over by trying again, as it does by
// itself; nobody has to know unless he asked for the update.
var passing = map[string]bool{
	"NetworkUnavailable": true,
	"TLSFailed":          true, // before a portal is answered, every server is somebody else
	"ServerError":        true,
	"TooSlow":            true,
	"Interrupted":        true,
}

// failure shows why the last update, or what the user asked for, went wrong. A
// check that failed is no matter for the user until it is stale.
func (w world) failure() card {
	o := w.service.overview
	if p := w.problem; p != nil && p.action != actionRestart {
		return w.detailed(card{
			kind: kindFailed, subject: "asked", version: o.AvailableVersion, running: o.RunningVersion,
			problem: p, actions: []action{actionRetry, actionDetails, actionLater},
		})
	}
	last, name := w.service.last, dbusapi.ErrorName(o.LastError)
	switch {
	case o.State != updater.StateFailed || name == "" || name != last.ErrorName || !w.service.isNewer(last.Version):
		return card{}
	case passing[name] && w.memory.Asked != last.Version && !w.service.blocked(policy.BlockerMode):
		return card{}
	}
	return w.detailed(card{
		kind: kindFailed, subject: last.Version + " " + name, version: last.Version, running: o.RunningVersion,
		problem: &problem{name: name, message: o.LastError.Error()},
		actions: []action{actionRetry, actionDetails, actionLater},
	})
}

// detailed is c, with the details the user has asked for.
func (w world) detailed(c card) card {
	if w.details != c.subject {
		return c
	}
	c.details, c.plan = true, w.plan
	c.actions = without(c.actions, actionDetails)
	return c
}

func without(list []action, left action) (rest []action) {
	for _, a := range list {
		if a != left {
			rest = append(rest, a)
		}
	}
	return rest
}

// rolledBack tells that the newest version that failed here is newer than the
// one that runs instead. A version that is newer still, the user can do something
// about; this card, which nobody may ever close, must not hide it.
func (w world) rolledBack() card {
	o := w.service.overview
	if len(o.FailedVersions) == 0 || !w.service.isNewer(o.FailedVersions[0]) {
		return card{}
	}
	failed := o.FailedVersions[0]
	if isNewer(o.PendingVersion, failed) || isNewer(o.AvailableVersion, failed) {
		return card{}
	}
	return card{kind: kindRolledBack, subject: failed, version: failed, running: o.RunningVersion}
}

// ready shows the version that waits for a restart, or when it does so.
func (w world) ready() card {
	o := w.service.overview
	if !o.RebootRequired || o.PendingVersion == "" {
		return card{}
	}
	if r := w.memory.Restart; r != nil {
		// Put off for an hour or two it is the same.
		return card{
			kind: kindPlanned, subject: r.Version + " " + r.End.UTC().Format(time.RFC3339), version: r.Version, at: r.At,
			actions: []action{actionStay},
		}
	}
	c := card{
		kind: kindReady, subject: o.PendingVersion, version: o.PendingVersion,
		actions: []action{actionRestart, actionTonight, actionLater},
	}
	if p := w.problem; p != nil && p.action == actionRestart {
		c.problem = p
	}
	return c
}

// available shows an offer that nobody installs by itself: policy leaves that to
// the user, or what it waits for has not come for long. What somebody holds
// back is left alone, and so is what is being installed.
func (w world) available(d *decision) card {
	o := w.service.overview
	switch {
	case o.State == updater.StateUpdating || w.asking != "":
		return card{}
	case o.AvailableVersion == "" || w.service.blocked(policy.BlockerHeld, policy.BlockerRollback, policy.BlockerNotConfirmed):
		return card{}
	case w.service.blocked(policy.BlockerMode):
	case !w.service.blocked(policy.BlockerMetered, policy.BlockerPower):
		return card{}
	case w.now.Sub(w.memory.OfferedSince) < postponed:
		d.wakeAt(w.memory.OfferedSince.Add(postponed))
		return card{}
	}
	c := card{
		kind: kindAvailable, subject: o.AvailableVersion, version: o.AvailableVersion, running: o.RunningVersion,
		actions: []action{actionInstall, actionDetails, actionLater},
	}
	if w.service.offer.Version == o.AvailableVersion {
		c.downloadBytes = w.service.offer.DownloadBytes
	}
	return w.detailed(c)
}

// stale shows that the server gave no answer that could be verified for longer
// than policy allows.
func (w world) stale() card {
	o := w.service.overview
	if !o.Stale {
		return card{}
	}
	c := card{kind: kindStale, subject: "never", actions: []action{actionCheck, actionLater}}
	if !o.LastSuccess.IsZero() {
		c.subject = o.LastSuccess.UTC().Format(time.RFC3339)
		c.days = max(1, int(w.now.Sub(o.LastSuccess).Hours()/24))
	}
	return c
}
