// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"slices"
	"testing"

	"github.com/clipos/updater/updater"
)

func TestPlan(t *testing.T) {
	f := &fakeDaemon{plan: updater.Plan{
		Version: "5.0.0", Method: updater.MethodPatch, DownloadBytes: 598_900_000, ReuseBytes: 12_000_000, WriteBytes: 610_900_000,
		Volume: "core_5.0.0", ReplacedVolume: "core_4.8.0", Reason: "the oldest that is not in use",
		Entry: "clipos-5.0.0.efi", ReplacedEntries: []string{"clipos-4.8.0.efi"},
		CacheBytes: 598_900_000, ESPBytes: 30_000_000,
		Blockers: []updater.Blocker{{Code: "held", Text: "held: a fair"}},
	}}
	bus, _ := serve(t, f)
	want := `Version:        5.0.0
Download:       598.9 MB, 12.0 MB are here already (patch)
Write:          610.9 MB
Volume:         core_5.0.0, overwrites core_4.8.0 (the oldest that is not in use)
Boot entry:     clipos-5.0.0.efi
Removed entry:  clipos-4.8.0.efi
Space needed:   598.9 MB in the cache, 30.0 MB in the EFI system partition
Blocked:        held: a fair (held)
`
	if got := ctl(t, bus, "plan"); got != (outcome{exitOK, want, ""}) {
		t.Errorf("%d %q\n%s", got.status, got.stderr, got.stdout)
	}
	want = `{"version":"5.0.0","method":"patch","download_bytes":598900000,"reuse_bytes":12000000,"write_bytes":610900000,"volume":"core_5.0.0",` +
		`"replaces_volume":"core_4.8.0","reason":"the oldest that is not in use","entry":"clipos-5.0.0.efi",` +
		`"replaces_entries":["clipos-4.8.0.efi"],"cache_bytes":598900000,"esp_bytes":30000000,"group_bytes":0,` +
		`"blockers":[{"code":"held","text":"held: a fair"}]}` + "\n"
	if got := ctl(t, bus, "plan", "5.0.0", "--json"); got != (outcome{exitOK, want, ""}) {
		t.Errorf("%d %q\n%s", got.status, got.stderr, got.stdout)
	}
	if !slices.Equal(f.asked, []string{`plan ""`, `plan "5.0.0"`}) {
		t.Errorf("asked for %q", f.asked)
	}
}

func TestPlanOfANewVolume(t *testing.T) {
	f := &fakeDaemon{plan: updater.Plan{Version: "5.0.0", Volume: "core_5.0.0", Entry: "clipos-5.0.0.efi", GroupBytes: 4 << 30}}
	bus, _ := serve(t, f)
	want := `Version:       5.0.0
Download:      unknown
Write:         unknown
Volume:        core_5.0.0, new
Boot entry:    clipos-5.0.0.efi
Space needed:  4.3 GB in the volume group
`
	if got := ctl(t, bus, "plan"); got != (outcome{exitOK, want, ""}) {
		t.Errorf("%d %q\n%s", got.status, got.stderr, got.stdout)
	}
}
