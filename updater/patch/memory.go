// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"errors"
	"fmt"
)

// MaxRebuildBytes is the memory that a rebuild may take; with it the whole
// program was measured to stay below 128 MiB. Machines pass a patch over that
// takes more.
const MaxRebuildBytes = 100 << 20

// ErrMemory is about a patch made for machines with more room than we take.
var ErrMemory = errors.New("rebuilding takes too much memory")

// WorkersFor is how many pieces, at most the number given, may be rebuilt at
// once in so much memory; [Patch.Rebuild] says what each takes. Where there is
// not enough for one, the error wraps ErrMemory.
func (h *Header) WorkersFor(memoryBytes int64, most int) (int, error) {
	computed := h.Result.SizeBytes
	var window, result, frame int64
	for _, p := range h.Pieces {
		computed -= p.Bytes
		window, result, frame = max(window, p.WindowBytes()), max(result, p.Bytes), max(frame, p.FrameBytes)
	}
	piece := window + result + frame
	if piece == 0 || computed+piece > memoryBytes {
		return 0, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrMemory, computed+piece, memoryBytes)
	}
	return int(min((memoryBytes-computed)/piece, int64(most))), nil
}

// MaxWindowFor is how large the windows of a patch may be so that machines can
// rebuild it in so much memory, whatever the frames come to; computedBytes are
// those of the dm-verity area. It is negative where there is no room for any.
func MaxWindowFor(memoryBytes, computedBytes, pieceBytes int64) int64 {
	return memoryBytes - computedBytes - pieceBytes - maxFrameBytes(pieceBytes)
}
