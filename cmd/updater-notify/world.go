// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"slices"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// world is all that decides what should be visible. Its times are wallTime.
type world struct {
	now     time.Time
	service service
	session session
	memory  memory
	// asking is what the user asked for and nobody answered yet, "" for
	// nothing.
	asking action
	// problem is what the user asked for last, and why it was not done; nil: it
	// was.
	problem *problem
	// details is the subject the user wants to know more of, plan what was
	// found.
	details string
	plan    *updater.Plan
	// noticed is since when the user can see that the computer is about to
	// restart; zero: not at all.
	noticed time.Time
	// unread is the notice of that which went away although nobody closed it.
	unread unread
}

// wallTime is now as the user's clock has it. What time.Now adds for measuring
// stands still while the computer sleeps: by it the night would not be over when
// the lid is opened in the morning.
func wallTime() time.Time { return time.Now().Round(0) }

// unread counts how often the card about a subject went away unread.
type unread struct {
	subject string
	times   int
}

func (u *unread) add(subject string) {
	if u.subject != subject {
		*u = unread{subject: subject}
	}
	u.times++
}

// service is what is known of the update service.
type service struct {
	// known tells that overview is what the service said; goneSince is since
	// when it is not on the bus, zero while it is.
	known     bool
	goneSince time.Time
	overview  dbusapi.Overview
	// last is how the last update ended.
	last updater.HistoryEntry
	// offer is what the last check found, if this program saw it.
	offer updater.Check
}

// goneLimit is how long the service may be off the bus before what it said last
// counts no more. One that is restarted needs a few seconds.
const goneLimit = time.Minute

// speaks tells that what the service said counts.
func (s service) speaks(now time.Time) bool {
	return s.known && (s.goneSince.IsZero() || now.Sub(s.goneSince) < goneLimit)
}

// blocked tells that one of the reasons keeps the service from installing by
// itself.
func (s service) blocked(codes ...policy.BlockerCode) bool {
	return slices.ContainsFunc(s.overview.Blockers, func(b updater.Blocker) bool {
		return slices.Contains(codes, b.Code)
	})
}

// isNewer tells that a version is newer than the one that runs.
func (s service) isNewer(version string) bool { return isNewer(version, s.overview.RunningVersion) }

// isNewer tells that both are versions, and the first is newer.
func isNewer(version, than string) bool {
	v, err := policy.ParseVersion(version)
	if err != nil {
		return false
	}
	old, err := policy.ParseVersion(than)
	return err == nil && v.Compare(old) > 0
}
