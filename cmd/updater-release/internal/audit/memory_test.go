// SPDX-License-Identifier: LGPL-2.1-or-later

package audit_test

import (
	"testing"

	"github.com/clipos/updater/updater/patch"
)

// memoryPatch is a patch from 1.0.0 to 1.1.0 in good form, whose hash tree takes
// more memory than any machine gives it: with blocks of 512 bytes and digests of
// 64 it is an eighth of the image. Nothing of the image is in the file.
func memoryPatch(t *testing.T) []byte {
	t.Helper()
	const (
		pieces     = 60
		pieceBytes = patch.MaxPieceBytes
	)
	v := &patch.Verity{Offset: pieces * pieceBytes}
	copy(v.Superblock[:], "verity\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00")
	copy(v.Superblock[32:], "sha512")
	copy(v.Superblock[64:], []byte{0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0x1e, 0, 0, 0, 0, 0}) // 60 * 16 MiB / 512 blocks
	h := patch.Header{From: "1.0.0", To: "1.1.0", Base: patch.Image{SizeBytes: 1}, Verity: v}
	h.Result.SizeBytes = v.Offset + treeBytes(v.Offset) + 512
	for range pieces {
		h.Pieces = append(h.Pieces, patch.Piece{Bytes: pieceBytes, FrameBytes: 1})
	}
	file, err := h.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return append(file, make([]byte, pieces)...)
}

// treeBytes is the length of a tree with eight digests in a block.
func treeBytes(dataBytes int64) (sum int64) {
	for blocks := dataBytes / 512; blocks > 1; {
		blocks = (blocks + 7) / 8
		sum += blocks * 512
	}
	return sum
}
