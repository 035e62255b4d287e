// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"reflect"
	"time"
)

const (
	// progressInterval is how often progress is shown.
	progressInterval = 500 * time.Millisecond
	// darkInterval is how often something new is tried on a server that did
	// not take the last, and the notice of a restart on one that took it away.
	darkInterval = 10 * time.Second
)

// screen is what this program has on the screen: one notification at most.
type screen struct {
	// id is the server's, 0 when nothing is shown.
	id   uint32
	card card
	note notification
	// since is when the card was shown first, told when the server was last
	// told anything.
	since, told time.Time
	// dark: the server did not take note, or went away with it. It is not tried
	// again until there is another server or something new to say, so that a
	// server which dies of a notification is not killed for ever.
	dark bool
}

// forget tells that nothing is shown any more.
func (s *screen) forget() { *s = screen{told: s.told} }

// noticed is since when the user can see that the computer is about to restart.
func (s *screen) noticed() time.Time {
	if s.id == 0 || s.card.kind != kindImminent {
		return time.Time{}
	}
	return s.since
}

// isSame tells that c is the card which is shown, perhaps with other figures.
func (s *screen) isSame(c card) bool {
	return s.id != 0 && s.card.kind == c.kind && s.card.subject == c.subject
}

// rest is until when the server is left alone with c; zero: it is not.
func (s *screen) rest(c card) time.Time {
	switch {
	case s.dark, c.kind == kindImminent && s.id == 0:
		return s.told.Add(darkInterval)
	case c.kind == kindProgress && s.isSame(c) && s.card.status.Stage == c.status.Stage:
		return s.told.Add(progressInterval)
	}
	return time.Time{}
}

// show puts c on the screen. It returns when it wants to be called again, zero
// for when there is something new.
func (a *applet) show(ctx context.Context, c card) (again time.Time) {
	s := &a.screen
	switch {
	case a.server == nil:
		return time.Time{}
	case c.kind == kindNone:
		a.clear(ctx)
		return time.Time{}
	}
	if rest := s.rest(c); time.Now().Before(rest) {
		return rest
	}
	owner := a.server.owner
	can, err := a.server.capabilities(ctx)
	if err != nil {
		a.darken(c, notification{}, err)
		return time.Time{}
	}
	if a.server.owner != owner {
		s.forget() // another one, which shows nothing yet
	}
	n := a.words.render(c, can)
	if (s.id != 0 || s.dark) && reflect.DeepEqual(n, s.note) {
		s.card = c
		return time.Time{}
	}
	id, err := a.server.show(ctx, s.id, n)
	if err != nil {
		a.darken(c, n, err)
		return time.Time{}
	}
	if s.id != 0 && id != s.id {
		a.server.close(ctx, s.id) // it cannot replace
	}
	since := wallTime()
	if s.isSame(c) {
		since = s.since
	}
	*s = screen{id: id, card: c, note: n, since: since, told: time.Now()}
	return time.Time{}
}

func (a *applet) darken(c card, n notification, err error) {
	if !a.screen.dark {
		a.log.Warn("no notification server shows this", "error", err)
	}
	a.screen = screen{card: c, note: n, dark: true, told: time.Now()}
}

// clear leaves nothing on the screen.
func (a *applet) clear(ctx context.Context) {
	if a.server != nil && a.screen.id != 0 {
		a.server.close(ctx, a.screen.id)
	}
	a.screen.forget()
}
