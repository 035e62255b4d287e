// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// How often an update is interrupted before one is let through.
const (
	killRounds  = 5
	resetRounds = 4
)

// The daemon is killed at random moments; systemd starts it again.
func TestKilled(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	whole := m.timeUpdate()
	for round := range killRounds {
		m.begin()
		moment := rand.N(whole)
		time.Sleep(moment)
		m.run("systemctl", "kill", "--signal=KILL", "updaterd")
		t.Logf("killed after %.1f s", moment.Seconds())
		m.settle()
		m.wantWhole()
		if m.status().PendingVersion != "" {
			t.Logf("round %d was too late", round)
			m.start()
		}
	}
	m.update()
	m.reboot(nextVersion)
	m.wantUpdated()
}

// The reset button is pressed at random moments.
func TestReset(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	whole := m.timeUpdate()
	for range resetRounds {
		m.begin()
		moment := rand.N(whole)
		time.Sleep(moment)
		m.press()
		version := m.awaitAnyBoot()
		t.Logf("reset after %.1f s: %s boots", moment.Seconds(), version)
		m.settle()
		m.wantWhole()
		if version == nextVersion {
			m.start()
		}
	}
	if m.status().PendingVersion == "" {
		m.update()
	}
	m.reboot(nextVersion)
	m.wantUpdated()
}

// timeUpdate measures an update and goes back to the beginning.
func (m *machine) timeUpdate() time.Duration {
	m.Helper()
	begin := time.Now()
	m.update()
	whole := time.Since(begin)
	m.start()
	return whole
}

// begin begins an update and does not wait for its end.
func (m *machine) begin() {
	m.Helper()
	m.run("updaterctl", "update")
}

// settle waits until the daemon is there and does nothing.
func (m *machine) settle() {
	m.Helper()
	for limit := time.Now().Add(bootLimit); time.Now().Before(limit); time.Sleep(time.Second) {
		result, err := m.try("updaterctl", "--json", "status")
		if err != nil {
			m.Fatal(err)
		}
		if result.Status == 0 && !strings.Contains(string(result.Stdout), `"state":"updating"`) {
			return
		}
	}
	m.Fatal("the daemon does not come to rest")
}

// wantWhole asserts that the image of each boot entry is what was published,
// and each entry too.
func (m *machine) wantWhole() {
	m.Helper()
	for _, entry := range m.entries() {
		version, isEntry := strings.CutSuffix(strings.TrimPrefix(entry, "clipos-"), ".efi")
		if !isEntry {
			continue
		}
		version, _, _ = strings.Cut(version, "+")
		m.wantSame("/mnt/efiboot/EFI/Linux/"+entry, m.payload(version, "efiboot"))
		m.wantSame("/dev/mainvg/core_"+version, m.payload(version, "core"))
	}
	if got := strings.Join(m.entries(), " "); !strings.Contains(got, "clipos-"+runningVersion+".efi") {
		m.Fatalf("no entry of the running version: %s", got)
	}
}
