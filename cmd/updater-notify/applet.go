// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/clipos/updater/dbusapi"
)

// applet is the program. Everything but followers and what waits for an answer
// happens in one loop: something has changed, decide, show.
type applet struct {
	// bus and desktop are the addresses of the system bus and of the session's.
	bus, desktop string
	words        words
	store        store
	log          *slog.Logger

	// inbox is what there is to do in the loop.
	inbox chan func(context.Context)
	// waiting are the goroutines beside it.
	waiting sync.WaitGroup

	world world
	// saved is the memory as it is in the file.
	saved memory
	// client, seat and server are nil while their bus is not there.
	client *dbusapi.Client
	seat   *seat
	server *server
	screen screen
	// accepted tells that the service took on what the user asked for, and has
	// not said yet that it has begun.
	accepted bool
}

func newApplet(o options, w words, log *slog.Logger) *applet {
	return &applet{
		bus: o.bus, desktop: o.desktop, words: w, store: store{o.state}, log: log,
		inbox: make(chan func(context.Context)),
	}
}

// run shows what there is to see until ctx ends, or the session does.
func (a *applet) run(ctx context.Context) error {
	var err error
	if a.world.memory, err = a.store.load(); err != nil {
		a.log.Warn("what was remembered is lost", "error", err)
	}
	a.saved = a.world.memory.clone()

	// The connections outlive ctx: what is shown is taken away through one.
	connected, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer a.waiting.Wait()
	defer cancel()
	ended := make(chan error, 3)
	a.begin(func() { ended <- a.followDesktop(connected) })
	a.begin(func() { ended <- a.followService(connected) })
	a.begin(func() { ended <- a.followSeat(connected) })
	return a.loop(connected, ctx.Done(), ended)
}

func (a *applet) begin(f func()) {
	a.waiting.Add(1)
	go func() {
		defer a.waiting.Done()
		f()
	}()
}

// loop does what is in the inbox until it is told to stop, or ended says why not
// to go on.
func (a *applet) loop(ctx context.Context, stop <-chan struct{}, ended <-chan error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			// What cannot be clicked any more must not stay.
			a.clear(ctx)
			return nil
		case err := <-ended:
			return err
		case f := <-a.inbox:
			f(ctx)
		case <-timer.C:
		}
		timer.Stop()
		if wake := a.refresh(ctx); !wake.IsZero() {
			timer.Reset(max(0, time.Until(wake)))
		}
	}
}

// post has f done in the loop.
func (a *applet) post(ctx context.Context, f func(context.Context)) {
	select {
	case a.inbox <- f:
	case <-ctx.Done():
	}
}

// refresh shows what should be visible now, and returns when to do that again.
func (a *applet) refresh(ctx context.Context) (wake time.Time) {
	a.world.now, a.world.noticed = wallTime(), a.screen.noticed()
	d := decide(a.world)
	a.world.memory = d.memory
	a.remember()
	if d.restart {
		a.restart(ctx, false)
		d.card = card{}
	}
	if again := a.show(ctx, d.card); !again.IsZero() {
		d.wakeAt(again)
	}
	return d.wake
}

// remember writes the memory to its file when it has changed.
func (a *applet) remember() {
	if reflect.DeepEqual(a.world.memory, a.saved) {
		return
	}
	// Once: what fails now fails each time.
	a.saved = a.world.memory.clone()
	if err := a.store.save(a.saved); err != nil {
		a.log.Warn("what the user answered is not remembered over a restart", "error", err)
	}
}

// clicked is what the server said of a button.
func (a *applet) clicked(ctx context.Context, id uint32, act action) {
	c := a.screen.card
	if id == 0 || id != a.screen.id || !c.offers(act) {
		return
	}
	// Some servers take it away, and some do not. That it is gone is no answer.
	a.clear(ctx)
	a.perform(ctx, act, c)
}

// closed is what the server said of a notification that is gone.
func (a *applet) closed(ctx context.Context, id uint32, why closeReason) {
	c := a.screen.card
	if id == 0 || id != a.screen.id {
		return
	}
	a.screen.forget()
	switch {
	case c.kind == kindImminent && why == closedDismissed:
		a.perform(ctx, actionStay, c) // who closes it is there
	case c.kind == kindImminent:
		a.world.unread.add(c.subject)
	case why == closedDismissed, c.kind == kindProgress, c.kind == kindPlanned:
		a.answer(c, time.Time{})
	default:
		a.answer(c, wallTime().Add(postponed))
	}
}

// answer remembers that the user has seen c. Whoever has seen that an install
// failed does not want the offer in its place, for a day.
func (a *applet) answer(c card, until time.Time) {
	m, asked := &a.world.memory, c.problem != nil && c.problem.action != ""
	if asked {
		a.world.problem = nil
	}
	if c.kind == kindFailed && c.problem.action != actionCheck {
		m.postpone(card{kind: kindAvailable, subject: c.version}, wallTime())
	}
	if asked && c.kind == kindFailed {
		return // it never was the service's
	}
	m.answer(c, until)
}

// failed is err as what the user is told of it.
func failed(act action, err error) *problem {
	p := &problem{action: act, name: dbusapi.ErrorName(err), message: err.Error()}
	var inhibited *inhibitedError
	if errors.As(err, &inhibited) {
		p.name, p.inhibitor = "", inhibited.inhibitor
	}
	return p
}
