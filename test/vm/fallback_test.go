// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const illVersion = "5.0.0-alpha.4"

// A core image that was whole when it was written, and is not when it is read.
func TestCorruptCore(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	m.update()
	// All of the image but the superblock, so that the root file system is
	// found and what is in it is not.
	m.sh("dd if=/dev/zero of=/dev/mainvg/core_5.0.0-alpha.3 bs=1M seek=1 count=30 conv=fsync status=none")
	m.fallsBack(nextVersion)
}

// An image that boots and fails its health check.
func TestIll(t *testing.T) {
	m := scenario(t)
	m.offerIll(illVersion)
	m.update()
	m.fallsBack(illVersion)
}

// fallsBack reboots into a version that does not come up, and asserts that the
// running one is back by itself, says so, and does not try again.
func (m *machine) fallsBack(version string) {
	m.Helper()
	m.run("touch", "/var/lib/test-signals")
	before := m.resets()
	m.reboot(runningVersion)
	if attempts := m.resets() - before - 1; attempts != 3 {
		m.Errorf("%d attempts at %s, want 3", attempts, version)
	}
	m.wantVersions(
		version+" failed clipos-"+version+"+0-3.efi",
		"5.0.0-alpha.1 running clipos-5.0.0-alpha.1.efi",
	)
	if s := m.status(); !slices.Equal(s.FailedVersions, []string{version}) || s.PendingVersion != "" {
		m.Errorf("status %+v", s)
	}
	signals := m.run("cat", "/var/lib/test-signals")
	if !strings.Contains(signals, `"member":"RolledBack"`) || !strings.Contains(signals, `"data":["`+version+`","5.0.0-alpha.1"]`) {
		m.Errorf("no RolledBack from %s in the signals:\n%s", version, signals)
	}
	m.notAgain(version)
}

// notAgain asserts that a version that failed is installed neither by itself
// nor when it is asked for as the newest.
func (m *machine) notAgain(version string) {
	m.Helper()
	m.refused("FailedBefore", "updaterctl", "update", "--follow")
	m.put("/var/etc/updater/policy.toml", "mode = \"install\"\nfirst_check = \"1s\"\n")
	m.run("systemctl", "restart", "updaterd")
	for m.status().LastCheck == nil {
		time.Sleep(time.Second)
	}
	// By then it would have begun.
	time.Sleep(3 * time.Second)
	if s := m.status(); s.State != "idle" {
		m.Errorf("status %+v", s)
	}
	m.wantEntries("clipos-5.0.0-alpha.1.efi", "clipos-"+version+"+0-3.efi")
}
