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
	b := []byte(magic)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, 0) // the length, below
	b = appendVersion(b, h.From)
	b = appendVersion(b, h.To)
	b = appendImage(b, h.Base)
	b = appendImage(b, h.Result)
	b = appendVerity(b, h.Verity)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h.Pieces)))
	for _, p := range h.Pieces {
		b = binary.LittleEndian.AppendUint32(b, uint32(p.Bytes))
		b = binary.LittleEndian.AppendUint32(b, uint32(p.FrameBytes))
		b = append(b, byte(len(p.Window)))
		for _, part := range p.Window {
			b = binary.LittleEndian.AppendUint64(b, uint64(part.Offset))
			b = binary.LittleEndian.AppendUint32(b, uint32(part.Bytes))
		}
	}
	binary.LittleEndian.PutUint32(b[prefixBytes-4:], uint32(len(b)))
	return b
}

func appendVersion(b []byte, version string) []byte {
	return append(append(b, byte(len(version))), version...)
}

func appendImage(b []byte, i Image) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(i.SizeBytes)), i.BLAKE2b[:]...)
}

func appendVerity(b []byte, v *Verity) []byte {
	if v == nil {
		return append(b, 0)
	}
	b = binary.LittleEndian.AppendUint64(append(b, 1), uint64(v.Offset))
	return append(append(b, v.Superblock[:]...), byte(v.ParityBytes))
}
