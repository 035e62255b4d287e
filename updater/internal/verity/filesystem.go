// SPDX-License-Identifier: LGPL-2.1-or-later

package verity

import (
	"encoding/binary"
	"io"
	"math"
)

// The kinds of file system FileSystemBytes knows, by the names of
// filesystems(5).
const (
	Squashfs = "squashfs"
	EROFS    = "erofs"
)

// FileSystemBytes tells which file system an image begins with, and how many
// bytes it has by its own account, padding behind it not included. An error
// that is not from reading wraps ErrInvalid.
func FileSystemBytes(r io.ReaderAt) (kind string, sizeBytes int64, err error) {
	sizeBytes, err = squashfsBytes(r)
	if err != nil {
		return "", 0, err
	}
	if sizeBytes > 0 {
		return Squashfs, sizeBytes, nil
	}
	if sizeBytes, err = erofsBytes(r); err != nil {
		return "", 0, err
	}
	return EROFS, sizeBytes, nil
}

// struct squashfs_super_block in the kernel's fs/squashfs/squashfs_fs.h:
// little endian, at the beginning.
const (
	squashfsMagic           = "hsqs"
	squashfsMajor           = 4  // SQUASHFS_MAJOR
	squashfsMajorOffset     = 28 // s_major
	squashfsBytesUsedOffset = 40 // bytes_used
	squashfsSuperBytes      = 96
)

// squashfsBytes is 0 for what is no squashfs.
func squashfsBytes(r io.ReaderAt) (int64, error) {
	super := make([]byte, squashfsSuperBytes)
	if err := readFull(r, "file system", super, 0); err != nil {
		return 0, err
	}
	if string(super[:len(squashfsMagic)]) != squashfsMagic {
		return 0, nil
	}
	// Earlier versions have another layout; Linux mounts none of them.
	if major := binary.LittleEndian.Uint16(super[squashfsMajorOffset:]); major != squashfsMajor {
		return 0, invalid("squashfs superblock", "version", "%d is not %d", major, squashfsMajor)
	}
	used := binary.LittleEndian.Uint64(super[squashfsBytesUsedOffset:])
	if used < squashfsSuperBytes || used > math.MaxInt64 {
		return 0, invalid("squashfs superblock", "bytes used", "%d is no size", used)
	}
	return int64(used), nil
}

// struct erofs_super_block in the kernel's fs/erofs/erofs_fs.h, little
// endian. Offsets count from the superblock.
const (
	erofsSuperOffset     = 1024       // EROFS_SUPER_OFFSET
	erofsMagic           = 0xe0f5e1e2 // EROFS_SUPER_MAGIC_V1
	erofsBlockBitsOffset = 12         // blkszbits
	erofsBlocksHiOffset  = 14         // rb.blocks_hi, with 48BIT alone
	erofsBlocksOffset    = 36         // blocks, blocks_lo
	erofsIncompatOffset  = 80         // feature_incompat
	erofsIncompat48Bit   = 0x80       // EROFS_FEATURE_INCOMPAT_48BIT, since Linux 6.15
	erofsSuperBytes      = 128

	// The kernel takes blocks from one sector to one page; the largest page
	// of any architecture that Linux boots by EFI on has 64 KiB.
	erofsMinBlockBits, erofsMaxBlockBits = 9, 16
)

func erofsBytes(r io.ReaderAt) (int64, error) {
	super := make([]byte, erofsSuperBytes)
	if err := readFull(r, "file system", super, erofsSuperOffset); err != nil {
		return 0, err
	}
	if binary.LittleEndian.Uint32(super) != erofsMagic {
		return 0, invalid("file system", "magic", "neither squashfs nor EROFS")
	}
	blockBits := super[erofsBlockBitsOffset]
	if blockBits < erofsMinBlockBits || blockBits > erofsMaxBlockBits {
		return 0, invalid("EROFS superblock", "block size", "2^%d bytes is none", blockBits)
	}
	blocks := uint64(binary.LittleEndian.Uint32(super[erofsBlocksOffset:]))
	if binary.LittleEndian.Uint32(super[erofsIncompatOffset:])&erofsIncompat48Bit != 0 {
		blocks |= uint64(binary.LittleEndian.Uint16(super[erofsBlocksHiOffset:])) << 32
	}
	used := blocks << blockBits // fewer than 2^48 blocks of no more than 2^16 bytes
	if used < erofsSuperOffset+erofsSuperBytes || used > math.MaxInt64 {
		return 0, invalid("EROFS superblock", "blocks", "%d of 2^%d bytes is no size", blocks, blockBits)
	}
	return int64(used), nil
}
