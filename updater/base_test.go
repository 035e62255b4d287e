// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"testing"

	"github.com/clipos/updater/updater/patch"
)

// As many pieces at once as there is memory for, and no patch that takes more.
func TestWorkersFor(t *testing.T) {
	const mib = 1 << 20
	header := func(resultBytes, windowBytes, pieceBytes int64, pieces int) patch.Header {
		h := patch.Header{Result: patch.Image{SizeBytes: resultBytes}}
		for range pieces {
			h.Pieces = append(h.Pieces, patch.Piece{Bytes: pieceBytes, FrameBytes: pieceBytes / 4, Window: []patch.Part{{Bytes: windowBytes / 2}, {Bytes: windowBytes / 2}}})
		}
		return h
	}
	for name, c := range map[string]struct {
		header patch.Header
		want   int
	}{
		"as published, 1 GiB":             {header(1016*mib, 24*mib, 8*mib, 125), 2},
		"as published, 4 GiB":             {header(4032*mib+64*mib, 24*mib, 8*mib, 504), 1},
		"as published, 5 GiB":             {header(4880*mib+77*mib, 24*mib, 8*mib, 610), 0},
		"largest pieces, and a tree":      {header(176*mib, 64*mib, 16*mib, 10), 1},
		"largest pieces, and too much":    {header(176*mib+4096, 64*mib, 16*mib, 10), 0},
		"a tree as large as there may be": {header(256*mib+10*mib, 2*mib, 1*mib, 10), 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := workersFor(c.header)
			if got != c.want || (c.want == 0) != errors.Is(err, errMemory) {
				t.Errorf("%d workers, %v, want %d", got, err, c.want)
			}
		})
	}
}
