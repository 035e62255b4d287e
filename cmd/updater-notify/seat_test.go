// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
)

// TestLogindComesMeanwhile: one that comes while the session is looked for is
// noticed.
func TestLogindComesMeanwhile(t *testing.T) {
	bus := dbustest.Start(t)
	login := connect(t, bus)
	own := func() error {
		_, err := login.RequestName(loginName, 0)
		return err
	}
	restarted := make(chan error, 1)
	restart := func(_, _ string) (dbus.Variant, *dbus.Error) {
		_, err := login.ReleaseName(loginName)
		restarted <- errors.Join(err, own())
		return dbus.Variant{}, dbus.MakeFailedError(errors.New("it has just begun"))
	}
	if err := login.ExportMethodTable(map[string]any{"Get": restart}, ownSession, propertiesName); err != nil {
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
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	// Were nothing heard of the restart, this would come first.
	if err := login.Emit(loginPath, loginManager+".PrepareForSleep", false); err != nil {
		t.Fatal(err)
	}
	for signal := range signals {
		if isNewLogin(signal) {
			return
		}
		if signal.Sender != busName {
			t.Fatalf("%+v", signal)
		}
	}
	t.Fatal("the bus is gone")
}
