// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"time"

	"github.com/clipos/updater/updater"
)

// card is what the user should see. The zero card is nothing.
type card struct {
	kind kind
	// subject is what the card is about. What the user answered counts until a
	// card of this kind has another subject.
	subject string
	// version is the one the card is about, running the one that runs.
	version, running string
	// status is how far the job has come.
	status updater.Status
	// downloadBytes is what an offer costs, 0 when nobody said.
	downloadBytes int64
	// at is when the computer restarts.
	at time.Time
	// days is for how long the server gave no verified answer, 0 when it never
	// did.
	days int
	// problem is what went wrong; nil: nothing.
	problem *problem
	// plan is what the user asked to know of an offer; nil: did not ask.
	plan *updater.Plan
	// details tells that the user asked for all there is to know.
	details bool
	actions []action
}

// kind is a sort of card, of which each has its own words.
type kind string

// The kinds, as the state file names them.
const (
	kindNone       kind = ""
	kindImminent   kind = "imminent"    // it restarts in a few minutes
	kindProgress   kind = "progress"    // an update runs
	kindFailed     kind = "failed"      // an update, or what the user asked for, went wrong
	kindRolledBack kind = "rolled-back" // a version did not start
	kindPlanned    kind = "planned"     // it restarts tonight
	kindReady      kind = "ready"       // an installed version waits for a restart
	kindAvailable  kind = "available"   // there is an update, and nobody installs it by itself
	kindStale      kind = "stale"       // no verified check for too long
)

// action is a button. The value is the key that the notification server sends
// back.
type action string

// The actions.
const (
	actionInstall action = "install"
	actionRetry   action = "retry"
	actionDetails action = "details"
	actionRestart action = "restart"
	actionTonight action = "tonight"
	actionStay    action = "stay" // no restart tonight
	actionCheck   action = "check"
	actionLater   action = "later"
)

// offers tells that the card has the button.
func (c card) offers(a action) bool {
	for _, offered := range c.actions {
		if offered == a {
			return true
		}
	}
	return false
}

// problem is what went wrong, in the words of the bus.
type problem struct {
	// action is what the user asked for; "" when the service failed by itself.
	action action
	// name is the short D-Bus error name, message its text, which may come from
	// anywhere.
	name, message string
	// inhibitor is the program that does not let the computer restart.
	inhibitor inhibitor
}

// inhibitor is a program that keeps the computer from restarting, and why. Both
// are what that program says of itself.
type inhibitor struct{ who, why string }
