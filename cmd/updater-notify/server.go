// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi"
)

// The notification server (Desktop Notifications Specification, "D-BUS
// Protocol"), and this program's own name, which keeps a second one out of the
// session.
const (
	notifyName  = "org.freedesktop.Notifications"
	notifyPath  = "/org/freedesktop/Notifications"
	programName = "updater-notify"
	ownName     = "org.clipos.UpdaterNotify1"
	busName     = "org.freedesktop.DBus"
)

// notifyLimit bounds an answer of the server, which the bus may have to start.
const notifyLimit = 10 * time.Second

// gaugeAlone is the name of a server that shows a bar instead of the text, made
// for the volume of the sound.
const gaugeAlone = "Xfce Notify Daemon"

var errSecond = errors.New("another updater-notify runs in this session")

// server is the notification server of the session.
type server struct {
	bus *dbus.Conn
	// owner is its unique name, "" when it does not run. What others send is
	// not its word.
	owner string
	// can is what it said it can do, nil when it was not asked.
	can *capabilities
}

// closeReason says why a notification is gone (NotificationClosed).
type closeReason uint32

const (
	closedExpired   closeReason = 1
	closedDismissed closeReason = 2
)

// openServer connects to the session bus at address.
func openServer(ctx context.Context, address string) (*server, <-chan *dbus.Signal, error) {
	bus, err := dbusapi.Connect(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	s := &server{bus: bus}
	signals := make(chan *dbus.Signal)
	bus.Signal(signals)
	if err := s.subscribe(ctx); err != nil {
		_ = bus.Close()
		return nil, nil, err
	}
	return s, signals, nil
}

func (s *server) subscribe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, notifyLimit)
	defer cancel()
	var reply dbus.RequestNameReply
	err := s.bus.BusObject().CallWithContext(ctx, busName+".RequestName", 0, ownName, dbus.NameFlagDoNotQueue).Store(&reply)
	if err != nil {
		return fmt.Errorf("bus name %s: %w", ownName, err)
	}
	if reply != dbus.RequestNameReplyPrimaryOwner {
		return errSecond
	}
	for _, match := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(notifyName), dbus.WithMatchInterface(notifyName)},
		{
			dbus.WithMatchSender(busName), dbus.WithMatchInterface(busName),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, notifyName),
		},
	} {
		if err := s.bus.AddMatchSignalContext(ctx, match...); err != nil {
			return err
		}
	}
	s.meet(ctx)
	return nil
}

// call calls the server, which the bus starts if it can and flags allow it.
func (s *server) call(ctx context.Context, flags dbus.Flags, member string, args []any, results ...any) error {
	ctx, cancel := context.WithTimeout(ctx, notifyLimit)
	defer cancel()
	return s.bus.Object(notifyName, notifyPath).CallWithContext(ctx, notifyName+"."+member, flags, args...).Store(results...)
}

// meet learns who the server is. A call may have started it, and what the bus
// says of that comes later, when something of it is on the screen already.
func (s *server) meet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, notifyLimit)
	defer cancel()
	var owner string
	err := s.bus.BusObject().CallWithContext(ctx, busName+".GetNameOwner", 0, notifyName).Store(&owner)
	if err != nil || owner == s.owner {
		return // where it has gone, the bus says so
	}
	s.owner, s.can = owner, nil
}

// hears tells that a change of owner is news; s.owner is then the new one.
func (s *server) hears(old, owner string) bool {
	if old != s.owner {
		return false // it was said before meet asked
	}
	s.owner, s.can = owner, nil
	return true
}

// capabilities asks once what the server can do.
func (s *server) capabilities(ctx context.Context) (capabilities, error) {
	if s.can == nil {
		var names []string
		if err := s.call(ctx, 0, "GetCapabilities", nil, &names); err != nil {
			return capabilities{}, err
		}
		s.meet(ctx)
		has := func(name string) bool { return slices.Contains(names, name) }
		// A server that does not say who it is draws a bar, or nothing.
		var name, vendor, version, spec string
		_ = s.call(ctx, 0, "GetServerInformation", nil, &name, &vendor, &version, &spec)
		s.can = &capabilities{
			actions: has("actions"), body: has("body"), markup: has("body-markup"), gauge: name != gaugeAlone,
		}
	}
	return *s.can, nil
}

// show puts n on the screen, in the place of the notification with the given
// id if that is not 0 and there, and returns the id it has.
func (s *server) show(ctx context.Context, id uint32, n notification) (uint32, error) {
	hints := map[string]dbus.Variant{
		"urgency":       dbus.MakeVariant(byte(n.urgency)),
		"category":      dbus.MakeVariant("device"),
		"desktop-entry": dbus.MakeVariant(programName),
	}
	if n.percent >= 0 {
		hints["value"] = dbus.MakeVariant(n.percent)
		hints["suppress-sound"] = dbus.MakeVariant(true)
	}
	if n.transient {
		hints["transient"] = dbus.MakeVariant(true)
	}
	actions := n.actions
	if actions == nil {
		actions = []string{}
	}
	err := s.call(ctx, 0, "Notify", []any{n.app, id, n.icon, n.summary, n.body, actions, hints, n.expiresMillis}, &id)
	if err == nil {
		s.meet(ctx)
	}
	return id, err
}

// close takes a notification away. One that is gone already is none the worse,
// and with its server it is gone: nobody has to start another.
func (s *server) close(ctx context.Context, id uint32) {
	_ = s.call(ctx, dbus.FlagNoAutoStart, "CloseNotification", []any{id})
}
