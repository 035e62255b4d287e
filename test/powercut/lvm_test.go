// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/lvm/lvmtest"
)

// newGroup is a group of three volumes, with a number of copies of its
// metadata, and the file of its physical volume.
func newGroup(t *testing.T, copies int) (root, image string) {
	t.Helper()
	root = t.TempDir()
	lvmtest.AddGroup(t, root, "mainvg", 24<<20, fmt.Sprintf("--pvmetadatacopies=%d", copies))
	for _, name := range []string{"core_5.0.0-alpha.1", "core_swap", "core_state"} {
		lvmtest.LVM(t, root, "lvcreate", "--size=4m", "--name="+name, "mainvg")
	}
	return root, filepath.Join(root, "var/lib/lvmroot/mainvg.img")
}

// What LVM says about its metadata is what is read.
func TestReadGroup(t *testing.T) {
	for copies := 1; copies <= 2; copies++ {
		root, image := newGroup(t, copies)
		lvmtest.LVM(t, root, "lvrename", "mainvg", "core_swap", "core_other")
		g, err := ReadGroup(open(t, image))
		if err != nil {
			t.Fatal(err)
		}
		if g.Name != "mainvg" || g.Whole != copies {
			t.Errorf("%+v", g)
		}
		want := strings.Fields(lvmtest.LVM(t, root, "pvs", "--segments", "--noheadings", "--nosuffix", "--units=b",
			"--options=vg_seqno,pe_start,vg_extent_size,lv_name,pvseg_start,pvseg_size", "--select=lv_name!=''", "--separator= "))
		var got []string
		for _, name := range slices.SortedFunc(maps.Keys(g.Volumes), func(a, b string) int { return int(g.Volumes[a][0].Offset - g.Volumes[b][0].Offset) }) {
			e := g.Volumes[name][0]
			got = append(got, fmt.Sprint(g.Sequence), "1048576", "4194304", name, fmt.Sprint((e.Offset-1<<20)/4194304), fmt.Sprint(e.Bytes/4194304))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
}

// states of a changed group are judged as the real LVM judges them: with the
// text torn, with a header torn, with each copy of them.
func TestReadGroupDamaged(t *testing.T) {
	for copies := 1; copies <= 2; copies++ {
		root, image := newGroup(t, copies)
		before := readAll(t, image)
		lvmtest.LVM(t, root, "lvrename", "mainvg", "core_swap", "core_other")
		after := readAll(t, image)
		var changed []int
		for at := 0; at < len(before); at += SectorBytes {
			if !bytes.Equal(before[at:at+SectorBytes], after[at:at+SectorBytes]) {
				changed = append(changed, at)
			}
		}
		lost := 0
		for subset := range 1 << len(changed) {
			state := bytes.Clone(before)
			for i, at := range changed {
				if subset>>i&1 == 1 {
					copy(state[at:at+SectorBytes], after[at:at+SectorBytes])
				}
			}
			_, err := ReadGroup(bytes.NewReader(state))
			if errors.Is(err, ErrNoGroup) {
				lost++
			} else if err != nil {
				t.Fatal(err)
			}
			if (subset*7)%32 < 32>>len(changed) || len(changed) <= 5 { // a few dozen runs of the real one
				compareWithLVM(t, root, image, state, err == nil)
			}
		}
		t.Logf("%d copies: %d sectors changed, lost in %d of %d states", copies, len(changed), lost, 1<<len(changed))
		if lost == 0 {
			t.Errorf("%d copies: nothing is ever lost", copies)
		}
	}
}

// compareWithLVM puts a state into the physical volume and asks the real tool.
func compareWithLVM(t *testing.T, root, image string, state []byte, want bool) {
	t.Helper()
	f, err := os.OpenFile(image, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(state, 0)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if got := lvmtest.Tool(t, root, "vgs", "mainvg") == nil; got != want {
		t.Errorf("LVM finds the group: %v; we: %v", got, want)
	}
}

func TestParseText(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "map[]",
		"# nothing\n":                       "map[]",
		"a = 1 # one\nb = \"x # y\"":        "map[a:1 b:x # y]",
		`s { t { n = -5 } } l = ["a", 1, ]`: "map[l:[a 1] s:map[t:map[n:-5]]]",
		`q = "a \"quoted\" \\"`:             `map[q:a "quoted" \]`,
		"e = []":                            "map[e:[]]",
		"}":                                 "error",
		"a {":                               "error",
		"a":                                 "error",
		"a = ":                              "error",
		"a = b":                             "error",
		"a = [[1]]":                         "error",
		"a = [1":                            "error",
		`a = "x`:                            "error",
		"= 1":                               "error",
		strings.Repeat("a {", maxDepth+1):   "error",
		"a = 99999999999999999999999999999": "error",
	} {
		got, err := parseText(text)
		if s := fmt.Sprint(map[string]any(got)); err == nil && s != want || (err != nil) != (want == "error") {
			t.Errorf("%q: %s, %v, want %s", text, s, err, want)
		}
	}
}

func FuzzGroup(f *testing.F) {
	f.Add("mainvg {\nseqno = 3\nextent_size = 8192\nphysical_volumes { pv0 { pe_start = 2048 } }\n" +
		"logical_volumes { core { segment_count = 1 segment1 { start_extent = 0 extent_count = 2 type = \"striped\" stripe_count = 1 stripes = [ \"pv0\", 0 ] } } } }")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parseGroup(text) })
}

// FuzzArea puts bytes where LVM keeps its label and its area.
func FuzzArea(f *testing.F) {
	f.Add(make([]byte, 8192))
	f.Fuzz(func(_ *testing.T, pv []byte) { _, _ = ReadGroup(bytes.NewReader(pv)) })
}
