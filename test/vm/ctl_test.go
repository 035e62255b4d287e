// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/clipos/updater/test/vm/guest"
)

// installedVersion is a line of `updaterctl versions`.
type installedVersion struct {
	Version, State, Volume, Entry string
	TriesLeft                     int `json:"tries_left"`
}

// status is what these tests read of `updaterctl status`.
type status struct {
	State          string
	RunningVersion string     `json:"running_version"`
	PendingVersion string     `json:"pending_version"`
	RebootRequired bool       `json:"reboot_required"`
	LastError      *errorText `json:"last_error"`
	LastCheck      *string    `json:"last_check"`
	FailedVersions []string   `json:"failed_versions"`
}

type errorText struct{ Name, Message string }

// ctl runs updaterctl, which must succeed, and decodes what it prints.
func (m *machine) ctl(result any, args ...string) {
	m.Helper()
	text := m.run(append([]string{"updaterctl", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(text), result); err != nil {
		m.Fatalf("updaterctl %q: %v\n%s", args, err, text)
	}
}

// historyEntry is what these tests read of `updaterctl history`.
type historyEntry struct{ Transaction, Result string }

// newestInHistory is the zero value when there is none.
func (m *machine) newestInHistory() historyEntry {
	m.Helper()
	var entries []historyEntry
	m.ctl(&entries, "history")
	return append(entries, historyEntry{})[0]
}

func (m *machine) status() (s status) {
	m.Helper()
	m.ctl(&s, "status")
	return s
}

// update installs what the server offers.
func (m *machine) update() {
	m.Helper()
	m.check()
	begin := time.Now()
	m.run("updaterctl", "update", "--follow")
	since("  update", begin)
}

// offer has the server offer a version of this machine.
func (m *machine) offer(version string) {
	m.Helper()
	m.offerBuilt(version, false)
}

// offerIll offers one that fails its health check.
func (m *machine) offerIll(version string) {
	m.Helper()
	m.offerBuilt(version, true)
}

func (m *machine) offerBuilt(version string, ill bool) {
	m.Helper()
	if _, err := m.release(m.Context(), version, ill); err != nil {
		m.Fatal(err)
	}
	m.check()
}

// check has the daemon see the offer, which is new enough for the update then.
// On a busy host the answer may take longer than anybody on the bus waits.
func (m *machine) check() {
	m.Helper()
	var result guest.Result
	for range 10 {
		var err error
		if result, err = m.try("updaterctl", "check"); err != nil {
			m.Fatal(err)
		}
		if result.Status == 0 {
			return
		}
		if !strings.Contains(string(result.Stderr), "NetworkUnavailable") {
			break
		}
	}
	m.Fatalf("check: %s", result.Stderr)
}

// wantVersions asserts what `updaterctl versions` lists: "version state entry"
// each.
func (m *machine) wantVersions(want ...string) {
	m.Helper()
	var versions []installedVersion
	m.ctl(&versions, "versions")
	var got []string
	for _, v := range versions {
		got = append(got, strings.Join([]string{v.Version, v.State, v.Entry}, " "))
		if v.Volume != "core_"+v.Version {
			m.Errorf("volume of %s: %s", v.Version, v.Volume)
		}
	}
	if !slices.Equal(got, want) {
		m.Errorf("versions %q, want %q", got, want)
	}
}
