// SPDX-License-Identifier: LGPL-2.1-or-later

package publish_test

import (
	"bytes"
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
