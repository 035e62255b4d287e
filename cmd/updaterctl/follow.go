// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// missingLimit is how long an update may be missing, because its service is
// gone or does not know it any more, before following it is given up. A service
// that crashed is started again and completes what it finds unfinished.
const missingLimit = time.Minute

// historyDepth is how far back an update is looked for that has just ended.
const historyDepth = 16

var (
	errMissing = &dbusapi.RemoteError{
		Name:    "org.freedesktop.DBus.Error.NoReply",
		Message: "the service does not know the update any more, its outcome is unknown",
	}
	errInterrupted = errors.New("the update goes on in the background")
)

func update(ctx context.Context, s *session) error {
	if s.follow {
		return follow(ctx, s)
	}
	transaction, err := s.client.Update(ctx, s.argument)
	if err != nil {
		return err
	}
	return s.out.Answer(updateObject{transaction},
		fmt.Sprintf("the update has begun (%s); to see it: updaterctl monitor", console.Clean(transaction)))
}

// follow begins an update and shows it to its end. It subscribes first: signals
// may come before the answer, and wait in the channel until they are read.
func follow(ctx context.Context, s *session) error {
	events, err := s.client.Watch(ctx)
	if err != nil {
		return err
	}
	transaction, err := s.client.Update(ctx, s.argument)
	switch {
	case ctx.Err() != nil:
		return errInterrupted // it may have begun
	case err != nil:
		return err
	}
	if s.json {
		if err := s.out.Object(acceptedEvent{kind{"accepted"}, updateObject{transaction}}); err != nil {
			return err
		}
	}
	f := &follower{
		session: s, transaction: transaction, view: newView(s.out),
		history: s.client.History, missing: time.NewTimer(missingLimit),
	}
	defer f.missing.Stop()
	defer f.view.end()
	return f.watch(ctx, events)
}

// follower shows one update.
type follower struct {
	*session
	transaction string
	view        view
	// history tells how an update ended that was not seen to end.
	history func(context.Context, uint32) ([]updater.HistoryEntry, error)
	// returned: the service has come back and not told its state yet.
	returned bool
	// known tells whether the service knows the update; missing runs while it
	// does not.
	known   bool
	missing *time.Timer
}

// watch returns how the update ended.
func (f *follower) watch(ctx context.Context, events <-chan dbusapi.Event) error {
	for {
		select {
		case e, ok := <-events:
			switch {
			case ctx.Err() != nil:
				return errInterrupted
			case !ok:
				return fmt.Errorf("%w: the connection has ended, the update may still be running", dbusapi.ErrNoBus)
			}
			if ended, err := f.heed(ctx, e); ended || err != nil {
				return err
			}
		case <-f.missing.C:
			return f.giveUp(ctx)
		}
	}
}

// heed shows e and tells whether the update has ended.
func (f *follower) heed(ctx context.Context, e dbusapi.Event) (ended bool, err error) {
	if !f.concerns(e) {
		return false, nil
	}
	f.look(e)
	if f.json {
		err = f.out.Object(eventObject(e))
	} else {
		f.show(e)
	}
	switch e := e.(type) {
	case updater.CompletedEvent:
		return true, cmp.Or(err, failedUpdate(e))
	case dbusapi.Returned:
		f.returned = true
	case dbusapi.Changed:
		if f.returned && !f.known && err == nil {
			ended, err = f.lookUp(ctx)
		}
		f.returned = false
	}
	return ended, err
}

// lookUp tells whether the update ended while nobody could be told: the service
// may have completed it when its name was not, or not yet, its own.
func (f *follower) lookUp(ctx context.Context) (ended bool, err error) {
	list, err := f.history(ctx, historyDepth)
	if err != nil {
		return false, nil //nolint:nilerr // it is not known yet, which missingLimit bounds
	}
	for _, e := range list {
		if e.Transaction == f.transaction {
			return f.heed(ctx, updater.CompletedEvent{Transaction: e.Transaction, Version: e.Version, Err: endedWith(e)})
		}
	}
	return false, nil
}

// giveUp ends following an update that has been missing for too long.
func (f *follower) giveUp(ctx context.Context) error {
	ended, err := f.lookUp(ctx)
	switch {
	case ended:
		return err
	case ctx.Err() != nil:
		return errInterrupted
	}
	return errMissing
}

// look notices whether the service still knows the update.
func (f *follower) look(e dbusapi.Event) {
	known := false
	switch e := e.(type) {
	case dbusapi.Changed:
		known = e.Overview.Transaction == f.transaction
	case dbusapi.Vanished:
	default:
		return
	}
	switch {
	case known:
		f.missing.Stop()
	case f.known:
		f.missing.Reset(missingLimit)
	}
	f.known = known
}

// concerns tells whether e has to do with this update.
func (f *follower) concerns(e dbusapi.Event) bool {
	switch e := e.(type) {
	case updater.ProgressEvent:
		return e.Transaction == f.transaction
	case updater.CompletedEvent:
		return e.Transaction == f.transaction
	}
	return true
}

func (f *follower) show(e dbusapi.Event) {
	switch e := e.(type) {
	case updater.ProgressEvent:
		f.view.advance(e.Status)
	case dbusapi.Changed:
		if e.Overview.Transaction == f.transaction {
			f.view.show(e.Overview.Status)
		}
	case updater.CompletedEvent:
		f.view.end()
		if e.Err == nil {
			f.view.say(console.Clean(e.Version) + " is installed and starts with the next reboot")
		}
	case dbusapi.Vanished:
		f.view.say("the service has left the bus, waiting for it")
	case dbusapi.Returned:
		f.view.say("the service is back")
	case updater.RolledBackEvent:
		f.view.say(rolledBack(e))
	}
}

// failedUpdate is the outcome of an update as an error, nil for success.
func failedUpdate(c updater.CompletedEvent) error {
	if c.Err == nil || strings.HasPrefix(c.Err.Error(), "cannot update to ") {
		return c.Err
	}
	return fmt.Errorf("cannot update to %s: %w", c.Version, c.Err)
}
