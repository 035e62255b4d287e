// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
)

// fakeSystemd answers for one property, SystemState.
type fakeSystemd string

// Get is org.freedesktop.DBus.Properties.Get.
func (s fakeSystemd) Get(iface, name string) (dbus.Variant, *dbus.Error) {
	if iface != "org.freedesktop.systemd1.Manager" || name != "SystemState" {
		return dbus.Variant{}, dbus.MakeFailedError(errors.New("no such property"))
	}
	return dbus.MakeVariant(string(s)), nil
}

// TestBootComplete: org.freedesktop.systemd1(5) lists the states.
func TestBootComplete(t *testing.T) {
	tests := map[fakeSystemd]bool{
		"initializing": false,
		"starting":     false,
		"running":      true,
		"degraded":     true,
		"maintenance":  false,
		"stopping":     false,
	}
	for state, want := range tests {
		t.Run(string(state), func(t *testing.T) {
			bus := dbustest.Start(t)
			conn, err := dbus.Connect(bus.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.Export(state, "/org/freedesktop/systemd1", "org.freedesktop.DBus.Properties"); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil {
				t.Fatal(err)
			}
			if got, err := bootComplete(bus.Address)(t.Context()); got != want || err != nil {
				t.Errorf("complete: %t, %v, want %t", got, err, want)
			}
		})
	}
}

func TestBootOfASystemWithoutSystemd(t *testing.T) {
	if complete, err := bootComplete(dbustest.Start(t).Address)(t.Context()); !complete || err != nil {
		t.Errorf("complete: %t, %v, want true", complete, err)
	}
}

func TestBootUnknown(t *testing.T) {
	complete, err := bootComplete("unix:path=" + t.TempDir() + "/none")(t.Context())
	if complete || !errors.Is(err, dbusapi.ErrNoBus) {
		t.Errorf("complete: %t, %v, want %v", complete, err, dbusapi.ErrNoBus)
	}
}
