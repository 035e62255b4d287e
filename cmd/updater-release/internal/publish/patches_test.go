// SPDX-License-Identifier: LGPL-2.1-or-later

package publish_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/publish"
	"github.com/clipos/updater/cmd/updater-release/internal/releasetest"
)

// A patch that no machine has the memory for is left out, and why is told. The
// release is published without it.
func TestAddPatchTooLarge(t *testing.T) {
	dir, _ := site(t, "1.0.0")
	var warnings bytes.Buffer
	p := releasetest.Publisher(t, dir, &warnings)
	a := payloads.Add(t, "1.1.0")
	a.MemoryBytes = 16 << 20 // of a piece, its frame, and nothing left
	files, err := p.Add(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(files, func(f publish.File) bool { return strings.HasSuffix(f.Name, ".patch") }) {
		t.Errorf("%v", files)
	}
	if got := warnings.String(); !strings.HasPrefix(got, "no patch from 1.0.0: rebuilding takes too much memory: ") {
		t.Errorf("%q", got)
	}
	if found := findings(t, p, nil); len(found) > 0 {
		t.Error(found)
	}
}

// What channels are offered now has a patch in any case: a release in between
// that nobody was offered takes no place from it.
func TestAddPatchesOfOffered(t *testing.T) {
	const product = "product = \"clipos\"\n"
	dir, _ := site(t, "1.0.0", "1.1.0", "1.2.0")
	for name, c := range map[string]struct {
		channels string
		patches  int
		want     string
	}{
		"nothing is offered": {product, 1, "[1.2.0]"},
		"stable":             {product + "[channel.stable]\nversion = \"1.0.0\"\n", 1, "[1.2.0 1.0.0]"},
		"a rest of stable":   {product + "[channel.stable]\nversion = \"1.1.0\"\npercent = 5\nprevious = \"1.0.0\"\n", 2, "[1.2.0 1.1.0 1.0.0]"},
		"another, and stable first": {
			product + "[channel.beta]\nversion = \"1.1.0\"\n[channel.stable]\nversion = \"1.0.0\"\n", 1, "[1.2.0 1.0.0]",
		},
		"among the newest": {product + "[channel.stable]\nversion = \"1.2.0\"\n", 1, "[1.2.0]"},
		"newer, or gone":   {product + "[channel.stable]\nversion = \"3.0.0\"\npercent = 5\nprevious = \"0.9.0\"\n", 1, "[1.2.0]"},
		"no patches":       {product + "[channel.stable]\nversion = \"1.0.0\"\n", 0, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			copied := t.TempDir()
			releasetest.Copy(t, dir, copied)
			p := releasetest.Publisher(t, copied, new(bytes.Buffer))
			write(t, p.ChannelsFile, c.channels)
			a := payloads.Add(t, "2.0.0")
			a.Patches = c.patches
			if _, err := p.Add(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			from, err := p.Root.PatchesTo(a.Version)
			if got := fmt.Sprint(from); err != nil || got != c.want {
				t.Errorf("patches from %s, %v, want %s", got, err, c.want)
			}
		})
	}
}
