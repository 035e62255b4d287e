// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

var errNameLost = errors.New("the bus took the name " + BusName + " away")

// link is the service on one connection.
type link struct {
	service *Service
	bus     *connection
	// known is the state of the properties that clients on this connection
	// were told.
	known snapshot
	// lost is closed when the name is.
	lost <-chan struct{}
}

// open puts the service on the bus: dial, export, authenticate, own the name.
func (s *Service) open(ctx context.Context) (*link, error) {
	names := newNameWatch()
	bus, err := dial(ctx, s.options.Address, names)
	if err != nil {
		return nil, err
	}
	bus.names = names
	l := &link{service: s, bus: bus, known: s.outbox.renew(), lost: names.lost}
	if err := errors.Join(l.export(ctx)...); err != nil {
		bus.close()
		return nil, err
	}
	if err := bus.handshake(ctx); err != nil {
		bus.close()
		return nil, err
	}
	if err := l.own(ctx); err != nil {
		bus.close()
		return nil, err
	}
	return l, nil
}

// own requests the name and wants it at once: in a queue behind another daemon
// this one would take over without notice. From itself it takes the name: a bus
// that has stopped listening to a connection does not notice that it was closed.
// (Whoever may own the name may replace the owner; that is root alone.)
func (l *link) own(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	self := identity{name: l.bus.Names()[0]}
	if err := l.bus.callBus(ctx, "GetId", &self.bus); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	flags := dbus.NameFlagDoNotQueue | dbus.NameFlagAllowReplacement
	owner := identity{bus: self.bus}
	if l.bus.callBus(ctx, "GetNameOwner", &owner.name, BusName) == nil && owner == l.service.former {
		flags |= dbus.NameFlagReplaceExisting
	}
	var reply dbus.RequestNameReply
	if err := l.bus.callBus(ctx, "RequestName", &reply, BusName, flags); err != nil {
		return fmt.Errorf("bus name %s: %w", BusName, err)
	}
	if reply != dbus.RequestNameReplyPrimaryOwner {
		return ErrNameTaken
	}
	l.service.former = self
	return nil
}

// identity is one connection to one bus. A bus gives no unique name twice, but
// the next one begins anew.
type identity struct{ bus, name string }

// tell puts e on the bus.
func (l *link) tell(e emission) error {
	if e.event != nil {
		name, args := signal(e.event)
		return l.bus.Emit(Path, Interface+"."+name, args...)
	}
	changed := e.properties.changes(l.known)
	if len(changed) == 0 {
		return nil
	}
	err := l.bus.Emit(Path, propertiesInterface+".PropertiesChanged", Interface, changed, []string{})
	if err == nil {
		l.known = e.properties
	}
	return err
}

// keepAlive closes the connection when the bus does not listen any more. It
// stops listening to a sender while too many of its messages wait for
// recipients that do not read (max_incoming_bytes in dbus-daemon(1)), so anybody
// who asks and never reads can silence a service; a new connection starts with a
// clean slate.
func (l *link) keepAlive(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.bus.Context().Done():
			return
		case <-ticker.C:
		}
		// A bus that takes nothing holds up the question itself, which heeds no
		// context while it is written.
		late := time.AfterFunc(interval, l.bus.close)
		var id string
		err := l.bus.callBus(ctx, "GetId", &id)
		late.Stop()
		if err != nil && ctx.Err() == nil {
			l.bus.close()
		}
	}
}
