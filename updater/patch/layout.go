// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"github.com/clipos/updater/updater/internal/fec"
	"github.com/clipos/updater/updater/internal/verity"
)

// layout is a dm-verity area whose place and sizes have been checked; all in
// bytes.
type layout struct {
	verity     *Verity
	superblock verity.Superblock
	// piecesBefore is how many pieces there are before the area.
	piecesBefore                                    int
	dataBytes, paddingBytes, treeBytes, parityBytes int64
}

func (l *layout) bytes() int64 {
	return verity.SuperblockBytes + l.paddingBytes + l.treeBytes + l.parityBytes
}

// layout is that of an area between the pieces.
func (v *Verity) layout(pieces []Piece) (*layout, error) {
	// First of all: this bounds the offset.
	before, err := v.piecesBefore(pieces)
	if err != nil {
		return nil, err
	}
	l, err := v.place()
	if err != nil {
		return nil, err
	}
	l.piecesBefore = before
	for i, p := range pieces[:max(before-1, 0)] {
		if p.Bytes%int64(l.superblock.DataBlockBytes) != 0 {
			return nil, malformed("dm-verity area", "piece %d has %d bytes, not whole blocks", i, p.Bytes)
		}
	}
	return l, nil
}

func (v *Verity) piecesBefore(pieces []Piece) (int, error) {
	var end int64
	for i, p := range pieces {
		if end += p.Bytes; end == v.Offset {
			return i + 1, nil
		}
	}
	return 0, malformed("dm-verity area", "no piece ends at its offset %d", v.Offset)
}

// place is the layout but for the pieces.
func (v *Verity) place() (*layout, error) {
	l := &layout{verity: v}
	var err error
	if l.superblock, err = verity.DecodeSuperblock(v.Superblock[:]); err != nil {
		return nil, malformed("dm-verity area", "%v", err)
	}
	if v.Offset%verity.SuperblockAlignment != 0 {
		return nil, malformed("dm-verity area", "offset %d is no multiple of %d", v.Offset, verity.SuperblockAlignment)
	}
	if l.dataBytes, err = l.superblock.DataBytes(v.Offset); err != nil {
		return nil, malformed("dm-verity area", "%v", err)
	}
	l.paddingBytes = l.superblock.TreeOffset(v.Offset) - v.Offset - verity.SuperblockBytes
	l.treeBytes = l.superblock.TreeBytes()
	if v.ParityBytes != 0 {
		if l.parityBytes, err = l.allParityBytes(v.ParityBytes); err != nil {
			return nil, err
		}
	}
	if l.bytes() > MaxVerityBytes {
		return nil, malformed("dm-verity area", "%d bytes are more than %d", l.bytes(), MaxVerityBytes)
	}
	return l, nil
}

// allParityBytes is the size of the error correction.
func (l *layout) allParityBytes(parity int) (int64, error) {
	if parity < fec.MinParityBytes || parity > fec.MaxParityBytes {
		return 0, malformed("error correction", "%d bytes of parity are not from %d to %d", parity, fec.MinParityBytes, fec.MaxParityBytes)
	}
	blockBytes := int64(l.superblock.DataBlockBytes)
	if l.superblock.HashBlockBytes != l.superblock.DataBlockBytes {
		return 0, malformed("error correction", "blocks have %d and %d bytes", blockBytes, l.superblock.HashBlockBytes)
	}
	return fec.ParityBytes((l.dataBytes+l.treeBytes)/blockBytes, blockBytes, parity), nil
}
