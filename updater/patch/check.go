// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"fmt"
	"strings"
)

// versionCharacters are those of semantic versions.
const versionCharacters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.+-"

// maxFrameBytes is ZSTD_compressBound(3) of a piece.
func maxFrameBytes(pieceBytes int64) int64 { return pieceBytes + pieceBytes/256 + 64 }

// check demands all that the package comment does of a header. It returns the
// layout of the dm-verity area, nil when there is none.
func (h *Header) check() (*layout, error) {
	for name, version := range map[string]string{"version of the base": h.From, "version of the result": h.To} {
		if len(version) == 0 || len(version) > maxVersionBytes || strings.Trim(version, versionCharacters) != "" {
			return nil, malformed(name, "%.80q", version)
		}
	}
	if h.Base.SizeBytes < 1 {
		return nil, malformed("size of the base", "%d", h.Base.SizeBytes)
	}
	if len(h.Pieces) < 1 || len(h.Pieces) > maxPieces {
		return nil, malformed("number of pieces", "%d is not from 1 to %d", len(h.Pieces), maxPieces)
	}
	// No sum can overflow: there are few pieces, and none is long.
	var resultBytes int64
	for i, p := range h.Pieces {
		if err := p.check(i, h.Base.SizeBytes); err != nil {
			return nil, err
		}
		resultBytes += p.Bytes
	}
	var area *layout
	if h.Verity != nil {
		var err error
		if area, err = h.Verity.layout(h.Pieces); err != nil {
			return nil, err
		}
		resultBytes += area.bytes()
	}
	if resultBytes != h.Result.SizeBytes {
		return nil, malformed("size of the result", "%d is not the %d of its parts", h.Result.SizeBytes, resultBytes)
	}
	return area, nil
}

func (p Piece) check(number int, baseBytes int64) error {
	fail := func(field, format string, args ...any) error {
		return malformed(fmt.Sprintf("piece %d: %s", number, field), format, args...)
	}
	switch {
	case p.Bytes < 1 || p.Bytes > MaxPieceBytes:
		return fail("length", "%d is not from 1 to %d", p.Bytes, MaxPieceBytes)
	case len(p.Window) > MaxWindowParts:
		return fail("window", "%d parts are more than %d", len(p.Window), MaxWindowParts)
	case p.FrameBytes < 1 || p.FrameBytes > maxFrameBytes(p.Bytes):
		return fail("frame", "%d bytes are not from 1 to %d", p.FrameBytes, maxFrameBytes(p.Bytes))
	}
	for _, part := range p.Window {
		if part.Bytes < 1 || part.Bytes > MaxWindowBytes || part.Offset < 0 || part.Offset > baseBytes-part.Bytes {
			return fail("window", "%d bytes at %d of a base of %d", part.Bytes, part.Offset, baseBytes)
		}
	}
	if sum := p.WindowBytes(); sum > MaxWindowBytes {
		return fail("window", "%d bytes are more than %d", sum, MaxWindowBytes)
	}
	return nil
}

func malformed(field, format string, args ...any) error {
	return fmt.Errorf("patch %w: %s: %s", ErrMalformed, field, fmt.Sprintf(format, args...))
}
