// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi"
)

// systemd-logind (org.freedesktop.login1(5)).
const (
	loginName    = "org.freedesktop.login1"
	loginPath    = "/org/freedesktop/login1"
	loginManager = "org.freedesktop.login1.Manager"
	loginSession = "org.freedesktop.login1.Session"
	// ownSession stands for the caller's session, or where it is in none, as a
	// service of the user is, for the one the user looks at.
	ownSession = "/org/freedesktop/login1/session/auto"

	propertiesName = "org.freedesktop.DBus.Properties"
)

const (
	// loginLimit bounds an answer of logind.
	loginLimit = 10 * time.Second
	// permitLimit bounds one before which the user may be asked for a password.
	permitLimit = 2 * time.Minute
)

// seat is logind, as far as it concerns this session.
type seat struct {
	bus *dbus.Conn
	// session is the object of this session, "" when there is none.
	session dbus.ObjectPath
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
	s := &seat{bus: bus}
	if err := s.subscribe(ctx); err != nil {
		_ = bus.Close()
		return nil, nil, err
	}
	return s, signals, nil
}

func (s *seat) subscribe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	for _, match := range [][]dbus.MatchOption{{
		// Back from sleep: the clock of a timer stood still meanwhile.
		dbus.WithMatchSender(loginName), dbus.WithMatchInterface(loginManager), dbus.WithMatchMember("PrepareForSleep"),
	}, {
		dbus.WithMatchSender(busName), dbus.WithMatchInterface(busName),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, loginName),
	}} {
		if err := s.bus.AddMatchSignalContext(ctx, match...); err != nil {
			return err
		}
	}
	// After that, or a logind that comes meanwhile would never be noticed.
	if s.session = s.find(ctx); s.session == "" {
		return nil
	}
	return s.bus.AddMatchSignalContext(ctx,
		dbus.WithMatchSender(loginName), dbus.WithMatchInterface(propertiesName), dbus.WithMatchObjectPath(s.session))
}

// isNewLogin tells that logind has come or gone, and with it what it calls this
// session, perhaps.
func isNewLogin(signal *dbus.Signal) bool {
	return signal.Sender == busName && signal.Name == busName+".NameOwnerChanged"
}

// find returns the object of this session; signals come from no alias.
func (s *seat) find(ctx context.Context) (path dbus.ObjectPath) {
	var id dbus.Variant
	err := s.bus.Object(loginName, ownSession).CallWithContext(ctx, propertiesName+".Get", dbus.FlagNoAutoStart, loginSession, "Id").Store(&id)
	name, ok := id.Value().(string)
	if err != nil || !ok {
		return ""
	}
	err = s.manager(ctx, "GetSession", name).Store(&path)
	if err != nil {
		return ""
	}
	return path
}

// manager calls logind. Nobody starts it: where it does not run, there are no
// sessions.
func (s *seat) manager(ctx context.Context, member string, args ...any) *dbus.Call {
	return s.bus.Object(loginName, loginPath).CallWithContext(ctx, loginManager+"."+member, dbus.FlagNoAutoStart, args...)
}

// read says what logind knows of this session. Without logind there is one
// session, and it has the screen.
func (s *seat) read(ctx context.Context) session {
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	only := session{known: true, active: true}
	if s.session == "" {
		return only
	}
	var p map[string]dbus.Variant
	if s.bus.Object(loginName, s.session).CallWithContext(ctx, propertiesName+".GetAll", dbus.FlagNoAutoStart, loginSession).Store(&p) != nil {
		return only
	}
	return session{known: true, active: value[bool](p, "Active"), usage: usageOf(p)}
}

// usageOf tells whether somebody works. A desktop that never says that its
// session is idle has never set the time either.
func usageOf(p map[string]dbus.Variant) usage {
	switch {
	case value[bool](p, "LockedHint"), value[bool](p, "IdleHint"):
		return usageIdle
	case value[uint64](p, "IdleSinceHint") != 0:
		return usageBusy
	}
	return usageUnknown
}

// value is what a dictionary has for a key, or zero.
func value[T any](p map[string]dbus.Variant, key string) T {
	v, _ := p[key].Value().(T)
	return v
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
