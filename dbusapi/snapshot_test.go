// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"maps"
	"slices"
	"testing"

	"github.com/clipos/updater/updater"
)

func listing(blocker string, failed ...string) Overview {
	return Overview{Overview: updater.Overview{
		Blockers: []updater.Blocker{{Code: "held", Text: blocker}}, FailedVersions: failed,
	}}
}

// Lists are compared by what is in them, and announced as a whole.
func TestListsAreCompared(t *testing.T) {
	old := newSnapshot(listing("audit", "4.9.0"))
	for name, c := range map[string]struct {
		now  Overview
		want []string
	}{
		"the same":        {listing("audit", "4.9.0"), nil},
		"another text":    {listing("holidays", "4.9.0"), []string{"Blockers"}},
		"one more":        {listing("audit", "4.9.1", "4.9.0"), []string{"FailedVersions"}},
		"none":            {listing("audit"), []string{"FailedVersions"}},
		"none of either":  {Overview{}, []string{"Blockers", "FailedVersions"}},
		"both in one go":  {listing("holidays"), []string{"Blockers", "FailedVersions"}},
		"in other places": {listing("audit", "4.9.0", "4.9.0"), []string{"FailedVersions"}},
	} {
		now := newSnapshot(c.now)
		if got := slices.Sorted(maps.Keys(now.changes(old))); !slices.Equal(got, c.want) {
			t.Errorf("%s: changes %q, want %q", name, got, c.want)
		}
		if got := now.difference(old); (got == same) != (c.want == nil) {
			t.Errorf("%s: difference %d", name, got)
		}
	}
	if d := newSnapshot(Overview{}).changes(newSnapshot(listing("audit"))); d["Blockers"].Signature().String() != "a(ss)" {
		t.Errorf("no blockers: %v", d["Blockers"])
	}
}

// What is shown does not change with what it was made of.
func TestSnapshotIsACopy(t *testing.T) {
	o := listing("audit", "4.9.0")
	s := newSnapshot(o)
	o.Blockers[0].Text, o.FailedVersions[0] = "changed", "changed"
	if !slices.Equal(s.changes(newSnapshot(Overview{}))["FailedVersions"].Value().([]string), []string{"4.9.0"}) ||
		s.difference(newSnapshot(listing("audit", "4.9.0"))) != same {
		t.Error("changed")
	}
}
