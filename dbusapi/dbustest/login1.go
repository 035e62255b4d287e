// SPDX-License-Identifier: LGPL-2.1-or-later

package dbustest

import (
	"maps"
	"os"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

const (
	login1Name      = "org.freedesktop.login1"
	login1Path      = "/org/freedesktop/login1"
	login1Session   = "/org/freedesktop/login1/session/c1"
	login1Auto      = "/org/freedesktop/login1/session/auto"
	propertiesIface = "org.freedesktop.DBus.Properties"
)

// Inhibitor is a row of what ListInhibitors answers (org.freedesktop.login1(5)).
type Inhibitor struct {
	What, Who, Why, Mode string
	UID, PID             uint32
}

// Login1 is a fake systemd-logind with one session, which has the screen until
// it is told otherwise. It never restarts anything.
type Login1 struct {
	// Reboots gets what each call of Reboot said: whether the user may be asked.
	Reboots chan bool

	conn *dbus.Conn

	mu         sync.Mutex
	session    map[string]dbus.Variant
	inhibitors []Inhibitor
	refusal    *dbus.Error
}

// StartLogin1 puts the fake on the bus until the test ends.
func StartLogin1(t testing.TB, b *Bus) *Login1 {
	t.Helper()
	conn, err := dbus.Connect(b.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	l := &Login1{Reboots: make(chan bool, 16), conn: conn, session: map[string]dbus.Variant{
		"Id":            dbus.MakeVariant("c1"),
		"Active":        dbus.MakeVariant(true),
		"LockedHint":    dbus.MakeVariant(false),
		"IdleHint":      dbus.MakeVariant(false),
		"IdleSinceHint": dbus.MakeVariant(uint64(0)),
	}}
	manager := map[string]any{
		"GetSession":     func(string) (dbus.ObjectPath, *dbus.Error) { return login1Session, nil },
		"ListInhibitors": l.listInhibitors,
		"Reboot":         l.reboot,
		"Inhibit":        l.inhibit,
	}
	properties := map[string]any{"Get": l.get, "GetAll": l.getAll}
	for _, err := range []error{
		conn.ExportMethodTable(manager, login1Path, "org.freedesktop.login1.Manager"),
		conn.ExportMethodTable(properties, login1Session, propertiesIface),
		conn.ExportMethodTable(properties, login1Auto, propertiesIface),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if reply, err := conn.RequestName(login1Name, 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	return l
}

// Change changes properties of the session and tells everybody.
func (l *Login1) Change(t testing.TB, properties map[string]any) {
	t.Helper()
	changed := map[string]dbus.Variant{}
	for name, v := range properties {
		changed[name] = dbus.MakeVariant(v)
	}
	l.mu.Lock()
	maps.Copy(l.session, changed)
	l.mu.Unlock()
	err := l.conn.Emit(login1Session, propertiesIface+".PropertiesChanged", "org.freedesktop.login1.Session", changed, []string{})
	if err != nil {
		t.Fatal(err)
	}
}

// Wake tells everybody that the machine comes back from sleep.
func (l *Login1) Wake(t testing.TB) {
	t.Helper()
	if err := l.conn.Emit(login1Path, "org.freedesktop.login1.Manager.PrepareForSleep", false); err != nil {
		t.Fatal(err)
	}
}

// Inhibit sets who keeps the machine from what.
func (l *Login1) Inhibit(list ...Inhibitor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inhibitors = list
}

// Refuse has Reboot fail with the D-Bus error of this name; "" has it work.
func (l *Login1) Refuse(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusal = nil
	if name != "" {
		l.refusal = dbus.NewError(name, []any{"refused by the test"})
	}
}

func (l *Login1) listInhibitors() ([]Inhibitor, *dbus.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Inhibitor{}, l.inhibitors...), nil
}

func (l *Login1) reboot(interactive bool) *dbus.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusal == nil {
		l.Reboots <- interactive
	}
	return l.refusal
}

// inhibit answers with a lock that nobody heeds.
func (l *Login1) inhibit(_, _, _, _ string) (dbus.UnixFD, *dbus.Error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, dbus.MakeFailedError(err)
	}
	return dbus.UnixFD(null.Fd()), nil // it stays open: the answer is sent later
}

func (l *Login1) get(_, name string) (dbus.Variant, *dbus.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session[name], nil
}

func (l *Login1) getAll(string) (map[string]dbus.Variant, *dbus.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.session), nil
}
