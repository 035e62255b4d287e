// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// copyUnits copies the units to a folder, where ExecStart= is a program that
// exists on this machine, and returns their paths.
func copyUnits(t *testing.T) (folder string, paths []string) {
	t.Helper()
	folder = t.TempDir()
	for _, name := range []string{"updaterd.service", "updaterd-metrics.socket", "updater-fetch.socket", "updater-fetch.service"} {
		unit := readUnit(t, name)
		unit = strings.Replace(unit, "ExecStart=/usr/bin/updaterd ", "ExecStart="+self(t)+" ", 1)
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
	verifyUnits(t, folder, paths)
}

func verifyUnits(t *testing.T, folder string, paths []string) {
	t.Helper()
	verify := command(t, "systemd", "systemd-analyze", append([]string{"verify", "--man=no"}, paths...)...)
	// The colon stands for the usual folders behind ours.
	verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+folder+":")
	if output, err := verify.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("%v:\n%s", err, output)
	}
}

// TestDropIns: those that docs/fetcher.md offers.
func TestDropIns(t *testing.T) {
	page, err := os.ReadFile("../../docs/fetcher.md")
	if err != nil {
		t.Fatal(err)
	}
	dropIns := regexp.MustCompile("(?s)```ini\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(dropIns) != 3 {
		t.Fatalf("%d drop-ins", len(dropIns))
	}
	for _, d := range dropIns {
		folder, paths := copyUnits(t)
		for _, unit := range []string{"updaterd.service", "updater-fetch.service"} {
			text := strings.ReplaceAll(d[1], "/usr/bin/updaterd", self(t))
			write(t, filepath.Join(folder, unit+".d", "drop-in.conf"), text)
		}
		verifyUnits(t, folder, paths)
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
			"Wants=updater-fetch.socket", "ExecStart=/usr/bin/updaterd --fetch-socket /run/updater/fetch.sock",
		},
		"updater-fetch.socket": {"ListenStream=/run/updater/fetch.sock", "SocketMode=0600", "SocketUser=root"},
		"updater-fetch.service": {
			"ExecStart=/usr/bin/updaterd fetch --remote ${CREDENTIALS_DIRECTORY}", "DynamicUser=yes",
			"LoadCredential=remote.toml:/etc/updater/remote.toml", "LoadCredential=rootca.pem:/etc/updater/rootca.pem",
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

// TestOpenat2: systemd answers every openat2(2) with ENOSYS under
// RestrictSUIDSGID=, and the daemon opens its cache with it.
func TestOpenat2(t *testing.T) {
	text, err := os.ReadFile("../../daemon/updaterd.service")
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^RestrictSUIDSGID=`).Match(text) {
		t.Error("updaterd.service has RestrictSUIDSGID=, with which nothing can be fetched")
	}
}

// TestExposure: systemd's own measure of a sandbox, from 0 to 10. What is missing
// to 0 has its reason in the unit.
func TestExposure(t *testing.T) {
	for unit, most := range map[string]string{"updaterd.service": "16", "updater-fetch.service": "11"} {
		output, err := command(t, "systemd", "systemd-analyze", "security", "--offline=true", "--no-pager",
			"--threshold="+most, filepath.Join("../../daemon", unit)).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v:\n%s", unit, err, output)
		}
	}
}
