// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// copyUnits copies the units to a folder, where ExecStart= is a program that
// exists on this machine, and returns their paths.
func copyUnits(t *testing.T) (folder string, paths []string) {
	t.Helper()
	folder = t.TempDir()
	for _, name := range []string{"updaterd.service", "updaterd-metrics.socket"} {
		unit := readUnit(t, name)
		unit = strings.Replace(unit, "ExecStart=/usr/bin/updaterd\n", "ExecStart="+self(t)+"\n", 1)
		path := filepath.Join(folder, name)
		write(t, path, unit)
		paths = append(paths, path)
	}
	return folder, paths
}

func readUnit(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../daemon", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestUnits asks systemd itself: it has nothing to say on a unit without
// mistakes.
func TestUnits(t *testing.T) {
	folder, paths := copyUnits(t)
	verify := command(t, "systemd", "systemd-analyze", append([]string{"verify", "--man=no"}, paths...)...)
	// The colon stands for the usual folders behind ours.
	verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+folder+":")
	if output, err := verify.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("%v:\n%s", err, output)
	}
}

// TestUnitsMeet: what the units say of each other, and the daemon of them.
func TestUnitsMeet(t *testing.T) {
	for unit, lines := range map[string][]string{
		"updaterd.service": {
			// systemd 252 knows no Type=notify-reload.
			"Type=notify", "Sockets=updaterd-metrics.socket", "BusName=org.clipos.Updater1",
			// Started by the bus only when it is enabled.
			"Alias=dbus-org.clipos.Updater1.service",
		},
		"updaterd-metrics.socket": {
			"Service=updaterd.service", "FileDescriptorName=" + metricsName, "FlushPending=yes",
		},
	} {
		got := strings.Split(readUnit(t, unit), "\n")
		for _, line := range lines {
			if !slices.Contains(got, line) {
				t.Errorf("%s has no %s", unit, line)
			}
		}
	}
}
