// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi"
)

// systemd-logind (org.freedesktop.login1(5)).
const (
	loginName     = "org.freedesktop.login1"
	loginPath     = "/org/freedesktop/login1"
	loginSessions = loginPath + "/session"
	loginManager  = "org.freedesktop.login1.Manager"
	loginSession  = "org.freedesktop.login1.Session"

	propertiesName = "org.freedesktop.DBus.Properties"
)

const (
	// loginLimit bounds an answer of logind.
	loginLimit = 10 * time.Second
	// permitLimit bounds one before which the user may be asked for a password.
	permitLimit = 2 * time.Minute
)

// seat is logind, as far as it concerns this user.
type seat struct {
	bus *dbus.Conn
	uid uint32
}

// openSeat connects to the system bus at address. The signals mean that
// something may have changed: anybody can send one, so they are not believed,
// and read must be asked.
func openSeat(ctx context.Context, address string) (*seat, <-chan *dbus.Signal, error) {
	bus, err := dbusapi.Connect(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	signals := make(chan *dbus.Signal)
	bus.Signal(signals)
	s := &seat{bus: bus, uid: uint32(os.Getuid())} //nolint:gosec // G115: it is 32 bits wide
	if err := s.subscribe(ctx); err != nil {
		_ = bus.Close()
		return nil, nil, err
	}
	return s, signals, nil
}

// subscribe asks for what can change the answer of read: a session comes, goes
// or gets the screen, and so does logind itself.
func (s *seat) subscribe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	matches := [][]dbus.MatchOption{
		{dbus.WithMatchSender(loginName), dbus.WithMatchInterface(propertiesName), dbus.WithMatchPathNamespace(loginSessions)},
		{
			dbus.WithMatchSender(busName), dbus.WithMatchInterface(busName),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, loginName),
		},
	}
	// Back from sleep, the clock of a timer has stood still.
	for _, member := range []string{"SessionNew", "SessionRemoved", "PrepareForSleep"} {
		matches = append(matches, []dbus.MatchOption{
			dbus.WithMatchSender(loginName), dbus.WithMatchInterface(loginManager), dbus.WithMatchMember(member),
		})
	}
	for _, match := range matches {
		if err := s.bus.AddMatchSignalContext(ctx, match...); err != nil {
			return err
		}
	}
	return nil
}

// manager calls logind. Nobody starts it: where it does not run, there are no
// sessions.
func (s *seat) manager(ctx context.Context, member string, args ...any) *dbus.Call {
	return s.bus.Object(loginName, loginPath).CallWithContext(ctx, loginManager+"."+member, dbus.FlagNoAutoStart, args...)
}

// read says what logind knows of this user. Without logind there is one session,
// and it has the screen.
func (s *seat) read(ctx context.Context) session {
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	var list []struct {
		ID         string
		UID        uint32
		User, Seat string
		Path       dbus.ObjectPath
	}
	if s.manager(ctx, "ListSessions").Store(&list) != nil {
		return onlySession()
	}
	var own []properties
	for _, l := range list {
		if l.UID != s.uid {
			continue
		}
		// One that has just ended says nothing, and so nobody is there.
		var p properties
		_ = s.bus.Object(loginName, l.Path).CallWithContext(ctx, propertiesName+".GetAll", dbus.FlagNoAutoStart, loginSession).Store(&p)
		own = append(own, p)
	}
	return view(own)
}

// inhibitedError tells that a program does not let the computer restart.
type inhibitedError struct{ inhibitor }

func (e *inhibitedError) Error() string { return fmt.Sprintf("%s prevents it: %s", e.who, e.why) }

// restart restarts the computer, unless a program is against it. That is asked
// here, because logind lets whoever is privileged pass over the inhibitors, and
// everybody over his own. With the user there, he may be asked for permission;
// without, what keeps the screen on counts too.
func (s *seat) restart(ctx context.Context, attended bool) error {
	limit, against := permitLimit, []string{"shutdown"}
	if !attended {
		limit, against = loginLimit, append(against, "idle")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := s.inhibitor(ctx, against)
	if err != nil {
		return err
	}
	if found != nil {
		return &inhibitedError{*found}
	}
	return loginError(s.manager(ctx, "Reboot", attended).Err)
}

// inhibitor returns the first that blocks any of the given operations.
func (s *seat) inhibitor(ctx context.Context, against []string) (*inhibitor, error) {
	var list []struct {
		What, Who, Why, Mode string
		UID, PID             uint32
	}
	if err := s.manager(ctx, "ListInhibitors").Store(&list); err != nil {
		return nil, loginError(err)
	}
	for _, i := range list {
		blocks := slices.ContainsFunc(strings.Split(i.What, ":"), func(what string) bool { return slices.Contains(against, what) })
		if blocks && strings.HasPrefix(i.Mode, "block") { // "block", and "block-weak" since systemd 257
			return &inhibitor{i.Who, i.Why}, nil
		}
	}
	return nil, nil
}

// loginError is an error of logind as one whose name can be told.
func loginError(err error) error {
	var remote dbus.Error
	if errors.As(err, &remote) {
		message := ""
		if len(remote.Body) > 0 {
			message, _ = remote.Body[0].(string)
		}
		return &dbusapi.RemoteError{Name: remote.Name, Message: message}
	}
	return err
}
