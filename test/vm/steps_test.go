// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"strings"
	"testing"
)

// The user goes back, and comes again.
func TestRollback(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	m.update()
	m.reboot(nextVersion)
	m.run("updaterctl", "rollback")
	m.reboot(runningVersion)
	m.wantVersions(
		"5.0.0-alpha.3 fallback clipos-5.0.0-alpha.3.efi",
		"5.0.0-alpha.1 running clipos-5.0.0-alpha.1.efi",
	)
	if s := m.status(); len(s.FailedVersions) > 0 {
		t.Errorf("going back made a failed version: %+v", s)
	}
	m.run("updaterctl", "rollback", nextVersion)
	m.reboot(nextVersion)
	m.wantUpdated()
}

// The second update replaces the version that the first began with.
func TestTwoUpdates(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	m.update()
	m.reboot(nextVersion)
	m.offer("5.0.0-alpha.5")
	m.update()
	m.reboot("5.0.0-alpha.5")
	m.wantEntries("clipos-5.0.0-alpha.3.efi", "clipos-5.0.0-alpha.5.efi")
	m.wantCores("5.0.0-alpha.3", "5.0.0-alpha.5")
}

// A newer version comes out before the machine was rebooted into the last one.
func TestPendingReplaced(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	m.update()
	m.offer("5.0.0-alpha.5")
	m.update()
	m.wantVersions(
		"5.0.0-alpha.5 pending clipos-5.0.0-alpha.5+3.efi",
		"5.0.0-alpha.1 running clipos-5.0.0-alpha.1.efi",
	)
	m.wantEntries("clipos-5.0.0-alpha.1.efi", "clipos-5.0.0-alpha.5+3.efi")
	m.wantCores("5.0.0-alpha.1", "5.0.0-alpha.5")
	m.reboot("5.0.0-alpha.5")
	m.wantEntries("clipos-5.0.0-alpha.1.efi", "clipos-5.0.0-alpha.5.efi")
	if s := m.status(); len(s.FailedVersions) > 0 || s.PendingVersion != "" {
		t.Errorf("status %+v", s)
	}
}

// systemd-boot sorts a beta behind its final version and would start it; the
// loader's default says otherwise for as long as the beta is there.
func TestFinalOverBeta(t *testing.T) {
	m := scenario(t)
	m.offer("5.0.0-beta.1")
	m.update()
	m.reboot("5.0.0-beta.1")
	m.offer("5.0.0")
	m.update()
	if got := m.loaderDefault(); !strings.Contains(got, "clipos-5.0.0") {
		t.Errorf("loader's default %q", got)
	}
	m.reboot("5.0.0")
	m.wantEntries("clipos-5.0.0-beta.1.efi", "clipos-5.0.0.efi")
	m.offer("5.0.1")
	m.update()
	if got := m.loaderDefault(); got != "" {
		t.Errorf("loader's default %q is still there", got)
	}
	m.reboot("5.0.1")
	m.wantEntries("clipos-5.0.0.efi", "clipos-5.0.1.efi")
}

// loaderDefault is the variable's text, "" without one.
func (m *machine) loaderDefault() string {
	m.Helper()
	const variable = "/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
	result, err := m.try("cat", variable)
	if err != nil {
		m.Fatal(err)
	}
	// UTF-16 behind four bytes of attributes.
	return strings.ReplaceAll(string(result.Stdout[min(4, len(result.Stdout)):]), "\x00", "")
}
