// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"strings"
	"testing"
)

// nextVersion is the one that most tests update to.
const nextVersion = "5.0.0-alpha.3"

// An update from end to end, from the server on the host to the boot that is
// found good.
func TestSmoke(t *testing.T) {
	m := scenario(t)
	m.wantVersions(
		"5.0.0-alpha.1 running clipos-5.0.0-alpha.1.efi",
		"5.0.0-alpha.0 fallback clipos-5.0.0-alpha.0.efi",
	)
	m.offer(nextVersion)
	m.update()
	m.wantVersions(
		"5.0.0-alpha.3 pending clipos-5.0.0-alpha.3+3.efi",
		"5.0.0-alpha.1 running clipos-5.0.0-alpha.1.efi",
	)
	if s := m.status(); !s.RebootRequired || s.PendingVersion != nextVersion {
		t.Errorf("status %+v", s)
	}
	m.run("test", "-e", "/run/update_ready")
	m.wantNothingDenied()
	m.reboot(nextVersion)
	m.wantUpdated()
	m.wantNothingDenied()
	if s := m.status(); s.RunningVersion != nextVersion || s.State != "idle" || len(s.FailedVersions) > 0 {
		t.Errorf("status %+v", s)
	}
}

// wantUpdated asserts what there is after an update to nextVersion and a good
// boot.
func (m *machine) wantUpdated() {
	m.Helper()
	m.wantVersions(
		"5.0.0-alpha.3 running clipos-5.0.0-alpha.3.efi",
		"5.0.0-alpha.1 fallback clipos-5.0.0-alpha.1.efi",
	)
	m.wantEntries("clipos-5.0.0-alpha.1.efi", "clipos-5.0.0-alpha.3.efi")
	m.wantCores("5.0.0-alpha.1", "5.0.0-alpha.3")
	active := strings.Fields(m.run("lvs", "--noheadings", "--options", "lv_active", "mainvg"))
	if strings.Join(active, " ") != "active active active active" {
		m.Errorf("volumes are %q", active)
	}
	if table := m.run("dmsetup", "status", "verity_core_5.0.0-alpha.3"); !strings.HasSuffix(table, "verity V\n") {
		m.Errorf("root file system: %s", table)
	}
}
