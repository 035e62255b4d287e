// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"errors"
	"testing"
)

// As many pieces at once as there is memory for, and no patch that takes more.
func TestWorkersFor(t *testing.T) {
	const mib = 1 << 20
	header := func(resultBytes, windowBytes, pieceBytes, frameBytes int64, pieces int) Header {
		h := Header{Result: Image{SizeBytes: resultBytes}}
		for range pieces {
			h.Pieces = append(h.Pieces, Piece{Bytes: pieceBytes, FrameBytes: frameBytes, Window: []Part{{Bytes: windowBytes / 2}, {Bytes: windowBytes / 2}}})
		}
		return h
	}
	for name, c := range map[string]struct {
		header Header
		want   int
	}{
		"as published, 1 GiB":                 {header(1016*mib, 24*mib, 8*mib, 2*mib, 125), 2},
		"as published, 4 GiB":                 {header(4032*mib+64*mib, 24*mib, 8*mib, 2*mib, 504), 1},
		"as published, 5 GiB":                 {header(4880*mib+77*mib, 24*mib, 8*mib, 2*mib, 610), 0},
		"4 GiB, a frame that does not shrink": {header(4032*mib+64*mib, 24*mib, 8*mib, 8*mib, 504), 0},
		"4 GiB, in a smaller window":          {header(4032*mib+64*mib, 20*mib, 8*mib, 8*mib, 504), 1},
		"largest pieces, and a tree":          {header(176*mib, 64*mib, 16*mib, 4*mib, 10), 1},
		"largest pieces, and too much":        {header(176*mib+4096, 64*mib, 16*mib, 4*mib, 10), 0},
		"a tree as large as there may be":     {header(256*mib+10*mib, 2*mib, 1*mib, mib/4, 10), 0},
		"more room than workers":              {header(80*mib, mib, mib, mib, 80), 2},
		"no pieces":                           {header(0, 0, 0, 0, 0), 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.header.WorkersFor(MaxRebuildBytes, 2)
			if got != c.want || (c.want == 0) != errors.Is(err, ErrMemory) {
				t.Errorf("%d workers, %v, want %d", got, err, c.want)
			}
		})
	}
}

// Whatever the frames come to, a patch in windows of that size can be rebuilt.
func TestMaxWindowFor(t *testing.T) {
	for _, computed := range []int64{0, 16 << 20, 64 << 20, 80 << 20} {
		const piece = 8 << 20
		window := MaxWindowFor(MaxRebuildBytes, computed, piece)
		h := Header{Result: Image{SizeBytes: piece + computed}, Pieces: []Piece{{Bytes: piece, FrameBytes: maxFrameBytes(piece), Window: []Part{{Bytes: window}}}}}
		if n, err := h.WorkersFor(MaxRebuildBytes, 2); n != 1 || err != nil {
			t.Errorf("%d computed, window %d: %d, %v", computed, window, n, err)
		}
		h.Pieces[0].Window[0].Bytes++
		if n, err := h.WorkersFor(MaxRebuildBytes, 2); !errors.Is(err, ErrMemory) {
			t.Errorf("%d computed, window %d and a byte: %d, %v", computed, window, n, err)
		}
	}
}
