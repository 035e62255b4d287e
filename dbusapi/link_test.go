// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
)

// Somebody who is not the bus says that the name was lost.
func TestNameLostFromSomebodyElse(t *testing.T) {
	bus := dbustest.Start(t)
	start(t, bus, &fakeController{})
	conn := rawConn(t, bus)
	var owner string
	if err := conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, BusName).Store(&owner); err != nil {
		t.Fatal(err)
	}
	lie := &dbus.Message{
		Type: dbus.TypeSignal,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath("/org/freedesktop/DBus")),
			dbus.FieldInterface:   dbus.MakeVariant(busInterface),
			dbus.FieldMember:      dbus.MakeVariant("NameLost"),
			dbus.FieldDestination: dbus.MakeVariant(BusName),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf("")),
		},
		Body: []any{BusName},
	}
	conn.Send(lie, nil)
	if err := conn.Object(owner, Path).Call(peerInterface+".Ping", 0).Err; err != nil {
		t.Fatalf("the connection was given up: %v", err)
	}
}

// The bus takes the name away: the service comes back.
func TestNameLost(t *testing.T) {
	w := newNameWatch()
	lost := &dbus.Signal{Sender: busInterface, Body: []any{BusName}}
	w.DeliverSignal(busInterface, "NameAcquired", lost)
	w.DeliverSignal(busInterface, "NameLost", &dbus.Signal{Sender: busInterface, Body: []any{":1.0"}})
	w.DeliverSignal(busInterface, "NameLost", &dbus.Signal{Sender: ":1.9", Body: []any{BusName}})
	select {
	case <-w.lost:
		t.Fatal("lost too early")
	default:
	}
	w.DeliverSignal(busInterface, "NameLost", lost)
	w.DeliverSignal(busInterface, "NameLost", lost)
	<-w.lost
}
