// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import "encoding/binary"

const (
	magic         = "UPDPATCH"
	formatVersion = 1
	prefixBytes   = len(magic) + 4 + 4
	// minPieceBytes is what a piece without a window takes.
	minPieceBytes = 4 + 4 + 1
	partBytes     = 8 + 4
)

// AppendTo appends the header as it is in a file to b, for whoever makes a
// patch. A header that Open would refuse is an error that wraps ErrMalformed.
func (h *Header) AppendTo(b []byte) ([]byte, error) {
	if _, err := h.check(); err != nil {
		return nil, err
	}
	raw := h.encode()
	if len(raw) > maxHeaderBytes {
		return nil, malformed("header length", "%d is more than %d", len(raw), maxHeaderBytes)
	}
	return append(b, raw...), nil
}

func (h *Header) encode() []byte {
	b := appendInt([]byte(magic), 4, formatVersion)
	b = appendInt(b, 4, 0) // the length, below
	b = appendVersion(b, h.From)
	b = appendVersion(b, h.To)
	b = appendImage(b, h.Base)
	b = appendImage(b, h.Result)
	b = appendVerity(b, h.Verity)
	b = appendInt(b, 4, int64(len(h.Pieces)))
	for _, p := range h.Pieces {
		b = appendInt(b, 4, p.Bytes)
		b = appendInt(b, 4, p.FrameBytes)
		b = appendInt(b, 1, int64(len(p.Window)))
		for _, part := range p.Window {
			b = appendInt(b, 8, part.Offset)
			b = appendInt(b, 4, part.Bytes)
		}
	}
	copy(b[prefixBytes-4:], appendInt(nil, 4, int64(len(b))))
	return b
}

// appendInt appends n bytes, which are enough for what check lets pass.
func appendInt(b []byte, n int, value int64) []byte {
	var whole [8]byte
	binary.LittleEndian.PutUint64(whole[:], uint64(value)) //nolint:gosec // G115: not negative
	return append(b, whole[:n]...)
}

func appendVersion(b []byte, version string) []byte {
	return append(appendInt(b, 1, int64(len(version))), version...)
}

func appendImage(b []byte, i Image) []byte {
	return append(appendInt(b, 8, i.SizeBytes), i.BLAKE2b[:]...)
}

func appendVerity(b []byte, v *Verity) []byte {
	if v == nil {
		return appendInt(b, 1, 0)
	}
	b = appendInt(appendInt(b, 1, 1), 8, v.Offset)
	return appendInt(append(b, v.Superblock[:]...), 1, int64(v.ParityBytes))
}
