// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/lvm"
)

// A default whose entry has lost its volume keeps nothing.
func TestPinnedWithoutVolume(t *testing.T) {
	s := newSystem(t, alpha1)
	s.has(alpha0)
	mustRemove(s, "/volumes/core_"+alpha0)
	s.setDefault("clipos-" + alpha0 + ".efi")
	if p := s.plan(); strings.Contains(p.Reason, "stays") || !slices.Equal(p.ReplacedEntries, []string{"clipos-" + alpha0 + ".efi"}) {
		t.Errorf("planned %+v", p)
	}
}

// A version that the administrator made the loader's default keeps its volume
// and its entry: the release goes elsewhere, and the default still names
// something.
func TestPinnedVersionStays(t *testing.T) {
	for name, c := range map[string]struct {
		setDefault string
		others     []string // beside alpha.0 and the running alpha.1
		counted    bool     // alpha.0 has a boot counter
		replaced   string   // the version that is overwritten, "" for none
	}{
		"bootctl set-default":      {setDefault: "clipos-" + alpha0 + ".efi"},
		"in capitals":              {setDefault: "CLIPOS-" + alpha0 + ".EFI"},
		"pattern for one":          {setDefault: "clipos-*alpha.0*"},
		"pattern for two":          {setDefault: "clipos-*alpha.[01]*"},
		"another is spare":         {setDefault: "clipos-" + alpha0 + ".efi", others: []string{alpha2}, replaced: alpha2},
		"with its counter":         {setDefault: "clipos-" + alpha0 + "+2-1.efi", counted: true},
		"once its counter is gone": {setDefault: "clipos-" + alpha0 + ".efi", counted: true},
		"pattern for new ones too": {setDefault: "clipos-*", replaced: alpha0},
		"none of ours":             {setDefault: "debian.efi", replaced: alpha0},
		"our own default":          {setDefault: pattern(alpha0), replaced: alpha0},
		"no default":               {replaced: alpha0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha1)
			s.has(append(c.others, alpha0)...)
			if c.counted {
				s.rename("clipos-"+alpha0+".efi", "clipos-"+alpha0+"+2-1.efi")
			}
			if c.setDefault != "" {
				s.setDefault(c.setDefault)
			}
			before := s.disk()
			plan := s.plan()
			// No recovery first: it takes a default of ours away.
			u := s.open()
			defer u.Close()
			out, err := u.Update(t.Context(), Request{})
			must(t, err)
			after := s.disk()
			for path, content := range before {
				want := content
				if c.replaced != "" && strings.Contains(path, c.replaced) {
					want = ""
				}
				if !strings.HasPrefix(path, variablesDir) && after[path] != want {
					t.Errorf("%s: %q, want %q", path, after[path], want)
				}
			}
			s.isWhole(alpha3, "clipos-"+alpha3+".efi")
			wantReplaced := ""
			if c.replaced != "" {
				wantReplaced = "core_" + c.replaced
			}
			if plan.ReplacedVolume != wantReplaced {
				t.Errorf("planned to replace %q, want %q", plan.ReplacedVolume, wantReplaced)
			}
			const why = "core_5.0.0-alpha.0 stays"
			pinned := c.replaced != alpha0
			noted := slices.ContainsFunc(out.Notes, func(n string) bool { return strings.Contains(n, why) })
			if noted != pinned || strings.Contains(plan.Reason, why) != pinned {
				t.Errorf("reason %q, notes %q", plan.Reason, out.Notes)
			}
		})
	}
}

// fullGroup is a group without room for a third volume.
type fullGroup struct{ Volumes }

func (f fullGroup) Survey(ctx context.Context) (lvm.Survey, error) {
	s, err := f.Volumes.Survey(ctx)
	s.Sparse, s.FreeBytes, s.NewSizeBytes = false, 1<<20, 2<<20
	return s, err
}

// Where there is no room beside a pinned version the update is refused, before
// anything is asked for or touched, and says how to end that.
func TestPinnedVersionInFullGroup(t *testing.T) {
	s := newSystem(t, alpha1)
	s.has(alpha0)
	s.setDefault("clipos-" + alpha0 + ".efi")
	before := s.disk()
	c := s.load()
	u := s.openWith(c, fullGroup{newVolumes(c, s.paths)}, newPartition(c, s.paths))
	defer u.Close()
	_, updateErr := u.Update(t.Context(), Request{})
	_, planErr := u.Plan(t.Context(), "")
	for what, err := range map[string]error{"update": updateErr, "plan": planErr} {
		if !errors.Is(err, ErrNoSpaceVolumeGroup) {
			t.Errorf("%s: error %v, want %v", what, err, ErrNoSpaceVolumeGroup)
			continue
		}
		for _, part := range []string{"core_" + alpha0, `"clipos-` + alpha0 + `.efi"`, `bootctl set-default ""`} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: error %v, want %s in it", what, err, part)
			}
		}
	}
	if after := s.disk(); !maps.Equal(before, after) {
		t.Error("the disk changed")
	}
	s.setDefault("")
	if out, err := u.Update(t.Context(), Request{}); err != nil || !out.Installed {
		t.Fatalf("without the default: %+v, %v", out, err)
	}
	s.installed(alpha1, alpha3)
}
