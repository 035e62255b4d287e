// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"strings"
	"testing"
)

// polkit decides: anybody may look, one user may update because a rule says
// so, and nobody else without a password, for which nobody is there to ask.
func TestRights(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	as := func(user string, args ...string) []string {
		return append([]string{"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups", "updaterctl", "--no-ask-password"}, args...)
	}
	m.run(as("anybody", "status")...)
	for _, verb := range [][]string{
		{"check"}, {"update"}, {"rollback"}, {"hold", "because"}, {"unhold"}, {"mark-good"}, {"reload"}, {"forget", nextVersion},
	} {
		m.refused("InteractiveAuthorizationRequired", as("anybody", verb...)...)
	}
	m.refused("InteractiveAuthorizationRequired", as("operator", "rollback")...)
	m.wantEntries("clipos-5.0.0-alpha.0.efi", "clipos-5.0.0-alpha.1.efi")
	m.run(as("operator", "update", "--follow")...)
	m.reboot(nextVersion)
	m.wantUpdated()
}

// The units run as they are shipped, and nothing they need is denied.
func TestJournal(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	m.update()
	m.wantNothingDenied()
	m.run("systemctl", "restart", "updaterd")
	m.wantNothingDenied()
	// What is not fulfilled, and the score.
	t.Log("\n" + m.sh("systemd-analyze security --no-pager updaterd.service updater-fetch.service | grep -v ✓"))
	t.Log("\n" + m.run("systemd-analyze", "blame", "--no-pager"))
}

// wantNothingDenied asserts that our units have complained of nothing since the
// system started.
func (m *machine) wantNothingDenied() {
	m.Helper()
	const journal = "journalctl --boot --no-pager --unit='updaterd*' --unit='updater-fetch*' "
	for _, words := range []string{"denied", "not permitted", "Read-only file system", "SECCOMP"} {
		if found := m.sh(journal + "--case-sensitive=no --grep='" + words + "' || true"); !strings.Contains(found, "-- No entries --") {
			m.Errorf("%q in the journal:\n%s", words, found)
		}
	}
	if warnings := m.sh(journal + "--priority=warning"); !strings.Contains(warnings, "-- No entries --") {
		m.Errorf("warnings:\n%s", warnings)
	}
}

// What systemd-bless-boot says and what MarkBoot does are the same thing.
func TestMarkBoot(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	m.update()
	m.reboot(nextVersion)
	const bless = "/usr/lib/systemd/systemd-bless-boot"
	state := func(want string) {
		t.Helper()
		if got := strings.TrimSpace(m.run(bless, "--path=/mnt/efiboot", "status")); got != want {
			t.Errorf("systemd-bless-boot says %s, want %s", got, want)
		}
	}
	state("good")
	m.run("updaterctl", "mark-bad", "the fan is loud")
	state("bad")
	m.run("updaterctl", "mark-good")
	state("good")
	m.wantUpdated()
	m.run("updaterctl", "mark-bad")
	m.reboot(runningVersion)
}
