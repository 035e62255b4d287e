// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import "unsafe"

// blockBytes is what offsets, lengths and memory addresses are multiples of
// for direct I/O. open(2) asks for the logical block size, of which 4096 is the
// largest that drives have; it is the page size too.
const blockBytes = 4096

// AlignedBuffer returns n bytes of memory whose address suits direct I/O.
// A few megabytes at a time write and read fastest.
func AlignedBuffer(n int) []byte {
	b := make([]byte, n+blockBytes)
	skip := int(-address(b) & (blockBytes - 1))
	return b[skip : skip+n : skip+n]
}

// isAligned tells whether whole blocks at the beginning of p can go to off, or
// come from there, without the page cache.
func isAligned(p []byte, off int64) bool {
	return off%blockBytes == 0 && address(p)%blockBytes == 0
}

func address(p []byte) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p))) //nolint:gosec // a number, never a pointer again
}

func roundUp(off int64) int64 {
	return (off + blockBytes - 1) &^ (blockBytes - 1)
}
