// SPDX-License-Identifier: LGPL-2.1-or-later

package dbustest

import (
	"os"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

func connect(t *testing.T, b *Bus) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(b.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestRestartKeepsTheAddress(t *testing.T) {
	b := Start(t)
	first := connect(t, b)
	b.Restart(t)
	<-first.Context().Done()
	connect(t, b)
}

func TestEverybodyMayConnect(t *testing.T) {
	b := Start(t)
	out, complaints, err := b.Busctl(t, Nobody, "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId")
	if err != nil || !strings.HasPrefix(out, "s ") {
		t.Fatalf("%q %q %v", out, complaints, err)
	}
}

func TestEndsWithTheTest(t *testing.T) {
	var socket string
	t.Run("inner", func(t *testing.T) {
		socket = strings.TrimPrefix(Start(t).Address, "unix:path=")
	})
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Fatalf("the socket is still there: %v", err)
	}
}
