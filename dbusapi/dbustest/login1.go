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
	login1Manager   = "org.freedesktop.login1.Manager"
	login1Session   = "org.freedesktop.login1.Session"
	propertiesIface = "org.freedesktop.DBus.Properties"
)

// FirstSession is the session that a Login1 begins with.
const FirstSession = "c1"

// Inhibitor is a row of what ListInhibitors answers (org.freedesktop.login1(5)).
type Inhibitor struct {
	What, Who, Why, Mode string
	UID, PID             uint32
}

// Login1 is a fake systemd-logind. It begins with one session of the user that
// runs the test, a graphical one that has the screen. It never restarts anything.
type Login1 struct {
	// Reboots gets what each call of Reboot said: whether the user may be asked.
	Reboots chan bool

	conn *dbus.Conn

	mu sync.Mutex
	// sessions are the properties of each, by its Id.
	sessions   map[string]map[string]dbus.Variant
	owners     map[string]uint32
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
	l := &Login1{
		Reboots: make(chan bool, 16), conn: conn,
		sessions: map[string]map[string]dbus.Variant{}, owners: map[string]uint32{},
	}
	manager := map[string]any{
		"ListSessions":   l.listSessions,
		"ListInhibitors": l.listInhibitors,
		"Reboot":         l.reboot,
		"Inhibit":        l.inhibit,
	}
	if err := conn.ExportMethodTable(manager, login1Path, login1Manager); err != nil {
		t.Fatal(err)
	}
	l.Add(t, FirstSession, uint32(os.Getuid()), nil)
	if reply, err := conn.RequestName(login1Name, 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	return l
}

// sessionPath is the object of a session.
func sessionPath(id string) dbus.ObjectPath { return dbus.ObjectPath(login1Path + "/session/" + id) }

// Add makes a session of a user and tells everybody: a graphical one that has the
// screen, but for the given properties.
func (l *Login1) Add(t testing.TB, id string, uid uint32, properties map[string]any) {
	t.Helper()
	session := map[string]dbus.Variant{
		"Id":            dbus.MakeVariant(id),
		"Class":         dbus.MakeVariant("user"),
		"Type":          dbus.MakeVariant("wayland"),
		"Display":       dbus.MakeVariant(""),
		"Seat":          dbus.MakeVariant(seatRow{"seat0", login1Path + "/seat/seat0"}),
		"State":         dbus.MakeVariant("active"),
		"Active":        dbus.MakeVariant(true),
		"LockedHint":    dbus.MakeVariant(false),
		"IdleHint":      dbus.MakeVariant(false),
		"IdleSinceHint": dbus.MakeVariant(uint64(0)),
	}
	for name, v := range properties {
		session[name] = dbus.MakeVariant(v)
	}
	l.mu.Lock()
	l.sessions[id], l.owners[id] = session, uid
	l.mu.Unlock()
	getAll := func(string) (map[string]dbus.Variant, *dbus.Error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return maps.Clone(session), nil
	}
	if err := l.conn.ExportMethodTable(map[string]any{"GetAll": getAll}, sessionPath(id), propertiesIface); err != nil {
		t.Fatal(err)
	}
	l.emit(t, login1Path, login1Manager+".SessionNew", id, sessionPath(id))
}

// seatRow is a session's property Seat: a name and its object.
type seatRow struct {
	Name string
	Path dbus.ObjectPath
}

// Remove ends a session and tells everybody.
func (l *Login1) Remove(t testing.TB, id string) {
	t.Helper()
	l.mu.Lock()
	delete(l.sessions, id)
	l.mu.Unlock()
	if err := l.conn.ExportMethodTable(nil, sessionPath(id), propertiesIface); err != nil {
		t.Fatal(err)
	}
	l.emit(t, login1Path, login1Manager+".SessionRemoved", id, sessionPath(id))
}

// Change changes properties of the first session and tells everybody.
func (l *Login1) Change(t testing.TB, properties map[string]any) {
	t.Helper()
	l.ChangeSession(t, FirstSession, properties)
}

// ChangeSession changes properties of a session and tells everybody.
func (l *Login1) ChangeSession(t testing.TB, id string, properties map[string]any) {
	t.Helper()
	changed := map[string]dbus.Variant{}
	for name, v := range properties {
		changed[name] = dbus.MakeVariant(v)
	}
	l.mu.Lock()
	maps.Copy(l.sessions[id], changed)
	l.mu.Unlock()
	l.emit(t, sessionPath(id), propertiesIface+".PropertiesChanged", login1Session, changed, []string{})
}

func (l *Login1) emit(t testing.TB, path dbus.ObjectPath, name string, values ...any) {
	t.Helper()
	if err := l.conn.Emit(path, name, values...); err != nil {
		t.Fatal(err)
	}
}

// Wake tells everybody that the machine comes back from sleep.
func (l *Login1) Wake(t testing.TB) {
	t.Helper()
	l.emit(t, login1Path, login1Manager+".PrepareForSleep", false)
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

// sessionRow is a row of what ListSessions answers.
type sessionRow struct {
	ID   string
	UID  uint32
	User string
	Seat string
	Path dbus.ObjectPath
}

func (l *Login1) listSessions() ([]sessionRow, *dbus.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows := []sessionRow{}
	for id, session := range l.sessions {
		on, _ := session["Seat"].Value().(seatRow)
		rows = append(rows, sessionRow{id, l.owners[id], "somebody", on.Name, sessionPath(id)})
	}
	return rows, nil
}
