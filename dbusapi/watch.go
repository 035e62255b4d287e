// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"strings"

	"github.com/godbus/dbus/v5"
)

// Event is what a watch tells: an [updater.ProgressEvent],
// [updater.CompletedEvent], [updater.UpdateAvailableEvent],
// [updater.RebootRequiredEvent] or [updater.RolledBackEvent] that the service
// signalled, or a [Changed], [Vanished] or [Returned]. Errors in them are [*RemoteError]s.
type Event any

// Changed tells the state of all properties after one or more have changed.
type Changed struct{ Overview Overview }

// Vanished tells that the service is not on the bus any more. A job that it ran
// is not lost: the service completes it when it returns.
type Vanished struct{}

// Returned tells that the service is on the bus again; a Changed follows.
type Returned struct{}

// Watch tells what happens to the service from now on. The first event is
// Changed with the present state, or Vanished when the service does not run:
// watching does not start it. Events are kept until they are received. The
// channel is closed when ctx ends or the connection is lost.
func (c *Client) Watch(ctx context.Context) (<-chan Event, error) {
	signals := make(chan *dbus.Signal)
	c.bus.Signal(signals)
	w := &watch{client: c, events: make(chan Event)}
	if err := w.subscribe(ctx); err != nil {
		w.end(ctx, signals)
		return nil, err
	}
	// Read before this returns: what the caller does next comes after it.
	first := Event(Vanished{})
	if w.owner != "" && w.refresh(ctx) {
		first = Changed{w.now}
	}
	go w.run(ctx, signals, first)
	return w.events, nil
}

// watch follows the service for one caller of Watch.
type watch struct {
	client *Client
	events chan Event
	// owner is the unique name of the service, "" when it is not there. What
	// others send to this connection is not the service's word.
	owner string
	now   Overview
}

// matches are the signals a watch subscribes to.
func matches() [][]dbus.MatchOption {
	return [][]dbus.MatchOption{
		{dbus.WithMatchSender(BusName), dbus.WithMatchObjectPath(Path), dbus.WithMatchInterface(Interface)},
		{
			dbus.WithMatchSender(BusName), dbus.WithMatchObjectPath(Path),
			dbus.WithMatchInterface(propertiesInterface), dbus.WithMatchArg(0, Interface),
		},
		{
			dbus.WithMatchSender(busInterface), dbus.WithMatchInterface(busInterface),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, BusName),
		},
	}
}

// subscribe asks the bus for the signals, then who the service is.
func (w *watch) subscribe(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, replyLimit)
	defer cancel()
	for _, m := range matches() {
		if err := w.client.bus.AddMatchSignalContext(bounded, m...); err != nil {
			return clientError(ctx, err)
		}
	}
	err := w.client.bus.callBus(bounded, "GetNameOwner", &w.owner, BusName)
	if err = clientError(ctx, err); ErrorName(err) == "NameHasNoOwner" {
		return nil
	}
	return err
}

// run tells first and then what the signals mean, until ctx ends or they do.
func (w *watch) run(ctx context.Context, signals chan *dbus.Signal, first Event) {
	defer w.end(ctx, signals)
	defer close(w.events)
	w.tell(ctx, first)
	for {
		select {
		case <-ctx.Done():
			return
		case s, ok := <-signals:
			if !ok {
				return
			}
			w.heed(ctx, s)
		}
	}
}

// end gives back what Watch took, although ctx has ended.
func (w *watch) end(ctx context.Context, signals chan *dbus.Signal) {
	w.client.bus.RemoveSignal(signals)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handshakeLimit)
	defer cancel()
	for _, m := range matches() {
		_ = w.client.bus.RemoveMatchSignalContext(ctx, m...)
	}
}

func (w *watch) tell(ctx context.Context, e Event) {
	select {
	case w.events <- e:
	case <-ctx.Done():
	}
}

// heed turns one signal into events.
func (w *watch) heed(ctx context.Context, s *dbus.Signal) {
	switch {
	case s.Sender == busInterface && s.Name == busInterface+".NameOwnerChanged":
		w.ownerChanged(ctx, s)
	case w.owner == "" || s.Sender != w.owner || s.Path != Path:
	case s.Name == propertiesInterface+".PropertiesChanged":
		w.propertiesChanged(ctx, s)
	default:
		w.signalled(ctx, s)
	}
}

func (w *watch) ownerChanged(ctx context.Context, s *dbus.Signal) {
	var name, old, owner string
	if dbus.Store(s.Body, &name, &old, &owner) != nil || name != BusName || owner == w.owner {
		return
	}
	was := w.owner
	w.owner = owner
	if was != "" {
		w.tell(ctx, Vanished{})
	}
	if owner != "" {
		w.tell(ctx, Returned{})
		if w.refresh(ctx) {
			w.tell(ctx, Changed{w.now})
		}
	}
}

func (w *watch) propertiesChanged(ctx context.Context, s *dbus.Signal) {
	var iface string
	var changed dict
	var invalidated []string
	if dbus.Store(s.Body, &iface, &changed, &invalidated) != nil || iface != Interface {
		return
	}
	apply(&w.now, changed)
	w.tell(ctx, Changed{w.now})
}

func (w *watch) signalled(ctx context.Context, s *dbus.Signal) {
	member, ours := strings.CutPrefix(s.Name, Interface+".")
	if !ours {
		return
	}
	if e, ok := event(member, s.Body); ok {
		w.tell(ctx, e)
	}
}

// refresh reads all properties; false when that fails, for then the service is
// gone again and the bus says so next. Changes that arrived before the answer
// are applied after it: it may have been read before they were made. That may
// undo a newer value for a moment, whose own change then follows.
func (w *watch) refresh(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, replyLimit)
	defer cancel()
	call := w.client.bus.Object(w.owner, Path).
		CallWithContext(bounded, propertiesInterface+".GetAll", dbus.FlagNoAutoStart, Interface)
	var d dict
	if call.Store(&d) != nil {
		return false
	}
	w.now = Overview{}
	apply(&w.now, d)
	return true
}
