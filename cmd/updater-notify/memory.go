// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"maps"
	"time"
)

// postponed is how long "Later" is, and for how long a card is not shown again
// that went away unread.
const postponed = 24 * time.Hour

// memory is what is remembered of the user over restarts of this program. It is
// small: of each kind of card only what was answered last.
type memory struct {
	// Answers are what the user does not want to see again, by kind.
	Answers map[kind]answer `json:"answers,omitempty"`
	// Asked is the version the user wanted to have installed.
	Asked string `json:"asked,omitempty"`
	// Offered is the version that is offered, and OfferedSince since when.
	Offered      string    `json:"offered,omitempty"`
	OfferedSince time.Time `json:"offered_since,omitzero"`
	// Restart is when the computer is to restart by itself; nil: it is not.
	Restart *appointment `json:"restart,omitempty"`
}

// answer is what the user said to a card.
type answer struct {
	Subject string `json:"subject"`
	// Until is when the card may be shown again; zero: when it has another
	// subject.
	Until time.Time `json:"until,omitzero"`
}

// appointment is a restart that the user agreed to.
type appointment struct {
	// Version is the one that starts.
	Version string `json:"version"`
	// At is when the user is told that it is about to restart; it does
	// noticeTime later.
	At time.Time `json:"at"`
	// End is when it is given up, because there was always somebody at work.
	End time.Time `json:"end"`
}

// clone returns a memory that can be changed without changing m.
func (m *memory) clone() memory {
	c := *m
	c.Answers = maps.Clone(m.Answers)
	if m.Restart != nil {
		a := *m.Restart
		c.Restart = &a
	}
	return c
}

// answered tells whether the user does not want to see c now, and until when;
// zero: until something changes.
func (m *memory) answered(c card, now time.Time) (quiet bool, until time.Time) {
	a, ok := m.Answers[c.kind]
	switch {
	case !ok || a.Subject != c.subject:
		return false, time.Time{}
	case a.Until.IsZero():
		return true, time.Time{}
	}
	// More than is ever asked for: the clock was set back.
	quiet = now.Before(a.Until) && a.Until.Sub(now) <= postponed
	return quiet, a.Until
}

// answer remembers that c is not wanted until then; zero: until something
// changes.
func (m *memory) answer(c card, until time.Time) {
	if m.Answers == nil {
		m.Answers = map[kind]answer{}
	}
	m.Answers[c.kind] = answer{c.subject, until}
}

// postpone remembers that c is not wanted for a day, at least.
func (m *memory) postpone(c card, now time.Time) {
	if quiet, until := m.answered(c, now); !quiet || !until.IsZero() {
		m.answer(c, now.Add(postponed))
	}
}

// forget lets cards of a kind be shown again.
func (m *memory) forget(k kind) { delete(m.Answers, k) }
