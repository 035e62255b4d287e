// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipos/updater/dbusapi/dbustest"
)

// The bus policy that is shipped, on a bus like the system's.
func TestBusPolicy(t *testing.T) {
	shipped, err := filepath.Abs("org.clipos.Updater1.conf")
	if err != nil {
		t.Fatal(err)
	}
	bus := dbustest.StartSystem(t, shipped)
	s := newService(t, bus, &fakeController{})
	s.authoriser = everybody{} // the bus alone refuses here, and polkit has its own tests
	run(t, s)
	const nobody, root = dbustest.Nobody, 0
	own := []string{"call", busInterface, "/org/freedesktop/DBus", busInterface, "RequestName", "su", "org.clipos.Updater1", "4"}
	call := func(path, iface, member string, args ...string) []string {
		return append([]string{"call", BusName, path, iface, member}, args...)
	}
	for name, tc := range map[string]struct {
		uid     uint32
		args    []string
		refusal string
	}{
		"own":                   {nobody, own, "Access denied"},
		"own as root":           {root, own, ""},
		"list":                  {nobody, call(Path, Interface, "ListVersions"), ""},
		"properties":            {nobody, call(Path, propertiesInterface, "GetAll", "s", Interface), ""},
		"introspect":            {nobody, call(Path, introspectableInterface, "Introspect"), ""},
		"introspect the parent": {nobody, call("/org", introspectableInterface, "Introspect"), ""},
		"ping":                  {nobody, call(Path, peerInterface, "Ping"), ""},
		"check":                 {nobody, call(Path, Interface, "Check", "a{sv}", "0"), ""},
		"update":                {nobody, call(Path, Interface, "Update", "sa{sv}", "", "0"), ""},
		"cancel":                {nobody, call(Path, Interface, "Cancel", "s", "t1"), ""},
		"no such method":        {nobody, call(Path, Interface, "Explode"), "Unknown / invalid method"},
		"another interface":     {nobody, call(Path, "org.freedesktop.DBus.Debug.Stats", "GetStats"), "Access denied"},
		"another one as root":   {root, call(Path, "org.freedesktop.DBus.Debug.Stats", "GetStats"), "Access denied"},
		"check as root":         {root, call(Path, Interface, "Check", "a{sv}", "0"), ""},
		"update as root":        {root, call(Path, Interface, "Update", "sa{sv}", "", "0"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, complaints, err := bus.Busctl(t, tc.uid, tc.args...)
			switch {
			case tc.refusal == "" && err != nil:
				t.Errorf("%q %q %v", out, complaints, err)
			case tc.refusal != "" && (err == nil || !strings.Contains(complaints, tc.refusal)):
				t.Errorf("%q %q %v, want %q", out, complaints, err, tc.refusal)
			}
		})
	}
}

// The activation file names what is there.
func TestActivationFile(t *testing.T) {
	text, err := os.ReadFile("org.clipos.Updater1.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"[D-BUS Service]", "Name=" + BusName, "User=root", "SystemdService=dbus-org.clipos.Updater1.service"} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}
