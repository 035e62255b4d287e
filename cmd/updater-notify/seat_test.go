// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"os"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
)

// TestLogindComesMeanwhile: one that comes while it is asked is noticed.
func TestLogindComesMeanwhile(t *testing.T) {
	bus := dbustest.Start(t)
	login := connect(t, bus)
	own := func() error {
		_, err := login.RequestName(loginName, 0)
		return err
	}
	restarted := make(chan error, 1)
	restart := func() ([]uint32, *dbus.Error) {
		_, err := login.ReleaseName(loginName)
		restarted <- errors.Join(err, own())
		return nil, dbus.MakeFailedError(errors.New("it has just begun"))
	}
	if err := login.ExportMethodTable(map[string]any{"ListSessions": restart}, loginPath, loginManager); err != nil {
		t.Fatal(err)
	}
	if err := own(); err != nil {
		t.Fatal(err)
	}
	s, signals, err := openSeat(t.Context(), bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.bus.Close() })
	if got := s.read(t.Context()); got != onlySession() {
		t.Errorf("%+v", got)
	}
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	// Were nothing heard of the restart, this would come first.
	if err := login.Emit(loginPath, loginManager+".PrepareForSleep", false); err != nil {
		t.Fatal(err)
	}
	for signal := range signals {
		switch {
		case signal.Name == busName+".NameOwnerChanged":
			return
		case signal.Sender != busName:
			t.Fatalf("%+v", signal)
		}
	}
	t.Fatal("the bus is gone")
}

// TestLoginAgain: a program that outlives its session serves the next one, and
// nobody while there is none.
func TestLoginAgain(t *testing.T) {
	s := newSample(t, with(pending))
	me := uint32(os.Getuid())
	s.start()
	s.server.sees(t, "Restart to update")
	s.login.Change(t, map[string]any{"State": "closing"})
	s.server.gone(t)
	s.login.Add(t, "g1", dbustest.Nobody, map[string]any{"Class": "greeter"})
	s.login.Remove(t, "g1")
	s.login.Add(t, "c2", me, nil)
	s.server.sees(t, "Restart to update")
	s.login.Remove(t, dbustest.FirstSession)
	s.login.ChangeSession(t, "c2", map[string]any{"Active": false})
	s.server.gone(t)
}

// TestTwoSessions: one program serves both, whichever has the screen.
func TestTwoSessions(t *testing.T) {
	s := newSample(t, with(pending))
	s.login.Add(t, "c2", uint32(os.Getuid()), map[string]any{"Active": false})
	s.login.Add(t, "c3", dbustest.Nobody, map[string]any{"Active": false})
	s.start()
	n := s.server.sees(t, "Restart to update")
	s.login.ChangeSession(t, "c2", map[string]any{"Active": true})
	s.login.Change(t, map[string]any{"Active": false})
	s.publish(with(pending, func(w *world) { w.service.overview.PendingVersion = "5.0.1" }))
	if again := s.server.sees(t, "Restart to update"); again.replaces != n.id {
		t.Errorf("%+v", again)
	}
	s.login.ChangeSession(t, "c3", map[string]any{"Active": true})
	s.login.ChangeSession(t, "c2", map[string]any{"Active": false})
	s.server.gone(t)
}

// TestGreeter: nobody has logged in.
func TestGreeter(t *testing.T) {
	s := newSample(t, with(pending))
	s.login.Change(t, map[string]any{"Class": "greeter"})
	s.start()
	s.publish(with(stale)) // heard, and not shown
	// What was shown to the greeter would come before this.
	s.login.Change(t, map[string]any{"Class": "user-light"})
	if n := <-s.server.notified; n.summary != "Updates not verified" {
		t.Errorf("%+v", n)
	}
}

// TestView: where the user is, by all his sessions.
func TestView(t *testing.T) {
	// in is a session on a seat, changed.
	in := func(changes map[string]any) properties {
		p := properties{
			"Class": dbus.MakeVariant("user"), "Type": dbus.MakeVariant("x11"), "Active": dbus.MakeVariant(true),
			"State": dbus.MakeVariant("active"), "Seat": dbus.MakeVariant([]any{"seat0", dbus.ObjectPath("/x")}),
		}
		for name, v := range changes {
			p[name] = dbus.MakeVariant(v)
		}
		return p
	}
	type m = map[string]any
	nowhere := []any{"", dbus.ObjectPath("/")}
	ssh := m{"Type": "tty", "Seat": nowhere}
	away, shown := session{known: true}, session{known: true, active: true}
	for name, test := range map[string]struct {
		sessions []properties
		want     session
	}{
		"no session":                     {nil, shown},
		"the user's systemd alone":       {[]properties{in(m{"Class": "manager", "Type": "unspecified", "Seat": nowhere})}, shown},
		"a job of cron alone":            {[]properties{in(m{"Class": "background", "Type": "unspecified", "Seat": nowhere})}, shown},
		"his desktop":                    {[]properties{in(nil)}, shown},
		"somebody else's":                {[]properties{in(m{"Active": false})}, away},
		"the first of two":               {[]properties{in(nil), in(m{"Active": false})}, shown},
		"the second of two":              {[]properties{in(m{"Active": false}), in(nil)}, shown},
		"none of two":                    {[]properties{in(m{"Active": false}), in(m{"Active": false})}, away},
		"a greeter":                      {[]properties{in(m{"Class": "greeter"})}, away},
		"a screen lock":                  {[]properties{in(m{"Class": "lock-screen"})}, away},
		"without a service manager":      {[]properties{in(m{"Class": "user-light"})}, shown},
		"he has logged out":              {[]properties{in(m{"State": "closing"})}, away},
		"and his systemd stays":          {[]properties{in(m{"State": "closing"}), in(m{"Class": "manager"})}, away},
		"it has just ended":              {[]properties{nil}, away},
		"he has logged in again":         {[]properties{in(m{"State": "closing"}), in(nil)}, shown},
		"away, and there by ssh":         {[]properties{in(m{"Active": false}), in(ssh)}, away},
		"there by ssh, and away":         {[]properties{in(ssh), in(m{"Active": false})}, away},
		"by ssh alone":                   {[]properties{in(ssh)}, shown},
		"on a console, and away by ssh":  {[]properties{in(m{"Type": "tty", "Active": false}), in(ssh)}, away},
		"a desktop begun on a console":   {[]properties{in(m{"Type": "tty"})}, shown},
		"a console beside his desktop":   {[]properties{in(m{"Type": "tty"}), in(m{"Active": false})}, away},
		"one that has got a display":     {[]properties{in(m{"Type": "tty", "Display": ":0"}), in(m{"Type": "tty", "Active": false})}, shown},
		"a remote desktop":               {[]properties{in(m{"Seat": nowhere})}, shown},
		"locked":                         {[]properties{in(m{"LockedHint": true, "IdleSinceHint": uint64(1)})}, session{true, true, usageIdle}},
		"idle":                           {[]properties{in(m{"IdleHint": true, "IdleSinceHint": uint64(1)})}, session{true, true, usageIdle}},
		"busy":                           {[]properties{in(m{"IdleSinceHint": uint64(1)})}, session{true, true, usageBusy}},
		"idle, and busy where he is not": {[]properties{in(m{"IdleHint": true}), in(m{"IdleSinceHint": uint64(1), "Active": false})}, session{true, true, usageIdle}},
		"busy at one of two seats":       {[]properties{in(m{"IdleSinceHint": uint64(1)}), in(m{"IdleHint": true})}, session{true, true, usageBusy}},
		"busy on a console before that":  {[]properties{in(m{"Type": "tty", "IdleSinceHint": uint64(1)}), in(nil)}, shown},
	} {
		t.Run(name, func(t *testing.T) {
			if got := view(test.sessions); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// TestSessionEndsMeanwhile: a session that logind lists and does not know any
// more is none that has the screen.
func TestSessionEndsMeanwhile(t *testing.T) {
	bus := dbustest.Start(t)
	login := connect(t, bus)
	list := func() ([]sessionRow, *dbus.Error) {
		return []sessionRow{{"c1", uint32(os.Getuid()), "somebody", "seat0", loginSessions + "/c1"}}, nil
	}
	if err := login.ExportMethodTable(map[string]any{"ListSessions": list}, loginPath, loginManager); err != nil {
		t.Fatal(err)
	}
	if _, err := login.RequestName(loginName, 0); err != nil {
		t.Fatal(err)
	}
	s, _, err := openSeat(t.Context(), bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.bus.Close() })
	if got, want := s.read(t.Context()), (session{known: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// sessionRow is a row of what ListSessions answers.
type sessionRow struct {
	ID         string
	UID        uint32
	User, Seat string
	Path       dbus.ObjectPath
}
