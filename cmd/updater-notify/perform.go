// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// acceptedLimit is how long an update that was accepted may take to be seen.
const acceptedLimit = 10 * time.Second

// perform does what the user clicked on a card. Whether he may is decided by
// the services that are asked, which ask polkit.
func (a *applet) perform(ctx context.Context, act action, c card) {
	if act == actionDetails {
		a.details(ctx, c)
		return
	}
	m := &a.world.memory
	a.world.problem = nil
	switch act {
	case actionLater:
		a.answer(c, wallTime().Add(postponed))
	case actionRetry:
		if c.problem != nil && c.problem.action == actionCheck {
			a.check(ctx)
			return
		}
		a.install(ctx, c)
	case actionInstall:
		a.install(ctx, c)
	case actionCheck:
		a.check(ctx)
	case actionRestart:
		m.Restart = nil
		a.restart(ctx, true)
	case actionTonight:
		m.Restart = tonight(c.version, wallTime())
		m.forget(kindPlanned)
	case actionStay:
		m.Restart = nil
		m.answer(card{kind: kindReady, subject: c.version}, wallTime().Add(postponed))
	}
}

// ask has f done beside the loop, and done with what came of it in the loop.
func (a *applet) ask(ctx context.Context, act action, f func(context.Context) error, done func(error)) {
	a.world.asking, a.accepted = act, false
	a.world.details, a.world.plan = "", nil
	a.begin(func() {
		err := f(ctx)
		a.post(ctx, func(context.Context) { done(err) })
	})
}

// answered ends what was asked for; err is what came of it.
func (a *applet) answered(act action, err error) {
	a.world.asking = ""
	if err != nil && !errors.Is(err, updater.ErrNoUpdate) {
		a.world.problem = failed(act, err)
	}
}

// install asks for the version on the card, if that is still on offer, and
// otherwise for the newest.
func (a *applet) install(ctx context.Context, c card) {
	m := &a.world.memory
	m.Asked = c.version
	m.forget(kindFailed)
	m.forget(kindProgress)
	version := c.version
	if version != a.world.service.overview.AvailableVersion {
		version = ""
	}
	client := a.client
	a.ask(ctx, actionInstall, func(ctx context.Context) error {
		if client == nil {
			return dbusapi.ErrNoBus
		}
		_, err := client.Update(ctx, version)
		return err
	}, func(err error) {
		if err != nil {
			a.answered(actionInstall, err)
			return
		}
		// Nothing else is shown until the service says that it has begun.
		a.accepted = true
		a.after(ctx, acceptedLimit, func() {
			if a.accepted {
				a.accepted, a.world.asking = false, ""
			}
		})
	})
}

// after has f done in the loop after a time.
func (a *applet) after(ctx context.Context, d time.Duration, f func()) {
	a.begin(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			a.post(ctx, func(context.Context) { f() })
		case <-ctx.Done():
		}
	})
}

func (a *applet) check(ctx context.Context) {
	a.world.memory.forget(kindProgress)
	client := a.client
	a.ask(ctx, actionCheck, func(ctx context.Context) error {
		if client == nil {
			return dbusapi.ErrNoBus
		}
		_, err := client.Check(ctx)
		return err
	}, func(err error) { a.answered(actionCheck, err) })
}

// details shows the same card with more on it; of an offer, what it would do.
func (a *applet) details(ctx context.Context, c card) {
	a.world.details, a.world.plan = c.subject, nil
	client := a.client
	if c.kind != kindAvailable || client == nil {
		return
	}
	a.begin(func() {
		plan, err := client.Plan(ctx, c.version)
		if err != nil {
			return // it says less
		}
		a.post(ctx, func(context.Context) {
			if a.world.details == c.subject {
				a.world.plan = &plan
			}
		})
	})
}

// restart has logind restart the computer. attended: the user is there and asked
// for it now.
func (a *applet) restart(ctx context.Context, attended bool) {
	seat := a.seat
	a.ask(ctx, actionRestart, func(ctx context.Context) error {
		if seat == nil {
			return dbusapi.ErrNoBus
		}
		return seat.restart(ctx, attended)
	}, func(err error) {
		switch inhibited := new(inhibitedError); {
		case err == nil:
			// It goes down; if not, there is nothing to see for a while.
			a.after(ctx, permitLimit, func() { a.world.asking = "" })
		case !attended && errors.As(err, &inhibited):
			a.world.asking = "" // tried again, see putOff
		default:
			a.world.memory.Restart = nil
			a.world.memory.forget(kindReady)
			a.answered(actionRestart, err)
		}
	})
}
