// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

const (
	// redialFirst and redialLast are how long a bus that is not there is left
	// alone, doubling.
	redialFirst = time.Second
	redialLast  = time.Minute
	// sessionLimit is how long the session may be without its bus before it
	// counts as ended.
	sessionLimit = time.Minute
)

// redial calls f again and again, which returns when its connection has ended
// and tells whether it had one. It gives up with ctx, when trying again is no
// use, or when there was none for as long as limit allows; zero allows all.
func redial(ctx context.Context, limit time.Duration, f func(context.Context) (had bool, err error)) error {
	wait, since := redialFirst, time.Now()
	for {
		had, err := f(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // told to end, which f had to notice somehow
		case had:
			wait, since = redialFirst, time.Now()
		case limit != 0 && time.Since(since) > limit, isFinal(err):
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, redialLast)
	}
}

// isFinal tells that trying again is no use.
func isFinal(err error) bool {
	return errors.Is(err, errSecond) || errors.Is(err, errOutput) || errors.Is(err, dbusapi.ErrAddress)
}

// followDesktop keeps a connection to the session bus.
func (a *applet) followDesktop(ctx context.Context) error {
	return redial(ctx, sessionLimit, func(ctx context.Context) (bool, error) {
		s, signals, err := openServer(ctx, a.desktop)
		if err != nil {
			return false, err
		}
		defer s.bus.Close()
		stop := context.AfterFunc(ctx, func() { _ = s.bus.Close() })
		defer stop()
		a.post(ctx, func(context.Context) { a.server = s; a.screen.forget() })
		for signal := range signals {
			a.post(ctx, func(ctx context.Context) { a.serverSaid(ctx, s, signal) })
		}
		a.post(ctx, func(context.Context) { a.server = nil; a.screen.forget() })
		return true, nil
	})
}

// serverSaid heeds a signal from the session bus.
func (a *applet) serverSaid(ctx context.Context, s *server, signal *dbus.Signal) {
	switch {
	case signal.Sender == busName && signal.Name == busName+".NameOwnerChanged":
		var name, old, owner string
		if dbus.Store(signal.Body, &name, &old, &owner) != nil || name != notifyName || !s.hears(old, owner) {
			return
		}
		if owner != "" {
			a.screen.forget()
		} else if a.screen.id != 0 {
			a.screen.id, a.screen.dark = 0, true
		}
	case signal.Sender != s.owner:
	case signal.Name == notifyName+".ActionInvoked":
		var id uint32
		var key string
		if dbus.Store(signal.Body, &id, &key) == nil {
			a.clicked(ctx, id, action(key))
		}
	case signal.Name == notifyName+".NotificationClosed":
		var id, why uint32
		if dbus.Store(signal.Body, &id, &why) == nil {
			a.closed(ctx, id, closeReason(why))
		}
	}
}

// followSeat keeps a connection to logind.
func (a *applet) followSeat(ctx context.Context) error {
	return redial(ctx, 0, func(ctx context.Context) (bool, error) {
		s, signals, err := openSeat(ctx, a.bus)
		if err != nil {
			return false, err
		}
		defer s.bus.Close()
		stop := context.AfterFunc(ctx, func() { _ = s.bus.Close() })
		defer stop()
		a.look(ctx, s)
		for range signals {
			a.look(ctx, s)
		}
		a.post(ctx, func(context.Context) { a.seat = nil })
		return true, nil
	})
}

// look reads what logind says of the user.
func (a *applet) look(ctx context.Context, s *seat) {
	now := s.read(ctx)
	a.post(ctx, func(context.Context) { a.seat, a.world.session = s, now })
}

// followService keeps watch over the update service.
func (a *applet) followService(ctx context.Context) error {
	return redial(ctx, 0, func(ctx context.Context) (bool, error) {
		client, err := dbusapi.Dial(ctx, a.bus)
		if err != nil {
			return false, err
		}
		defer client.Close()
		client.AllowInteraction()
		events, err := client.Watch(ctx)
		if err != nil {
			return false, err
		}
		a.post(ctx, func(context.Context) { a.client = client })
		returned := true
		for e := range events {
			var last []updater.HistoryEntry
			if _, ok := e.(dbusapi.Changed); ok && returned {
				// What ended before this program looked.
				last, _ = client.History(ctx, 1)
				returned = false
			}
			if _, ok := e.(dbusapi.Returned); ok {
				returned = true
			}
			a.post(ctx, func(context.Context) { a.heard(e, last) })
		}
		a.post(ctx, func(context.Context) { a.client = nil; a.heard(dbusapi.Vanished{}, nil) })
		return true, nil
	})
}

// heard heeds what the service said; last is how the last update ended, when
// that was asked.
func (a *applet) heard(e dbusapi.Event, last []updater.HistoryEntry) {
	s := &a.world.service
	if len(last) > 0 {
		s.last = last[0]
	}
	switch e := e.(type) {
	case dbusapi.Changed:
		s.known, s.goneSince, s.overview = true, time.Time{}, e.Overview
		if e.Overview.Transaction != "" {
			a.begun()
		}
	case dbusapi.Vanished:
		if s.goneSince.IsZero() {
			s.goneSince = wallTime()
		}
	case updater.CompletedEvent:
		a.begun()
		s.last = ended(e)
	case updater.UpdateAvailableEvent:
		s.offer = e.Check
	}
}

// begun tells that an update runs, or did: what the user asked for is on its
// way.
func (a *applet) begun() {
	if a.accepted {
		a.accepted, a.world.asking = false, ""
	}
	a.world.problem, a.world.details, a.world.plan = nil, "", nil
}

// ended is what a transaction came to, as the history has it.
func ended(e updater.CompletedEvent) updater.HistoryEntry {
	entry := updater.HistoryEntry{Transaction: e.Transaction, Version: e.Version, Result: updater.ResultInstalled}
	if e.Err != nil {
		entry.Result, entry.ErrorName, entry.Message = updater.ResultFailed, dbusapi.ErrorName(e.Err), e.Err.Error()
	}
	return entry
}
