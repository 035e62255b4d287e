// SPDX-License-Identifier: LGPL-2.1-or-later

package verity

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"io"
	"math/bits"
)

// Superblock is the dm-verity superblock of veritysetup(8), struct verity_sb
// in cryptsetup's lib/verity/verity.c.
type Superblock struct {
	// HashType is always 1, see the package comment.
	HashType uint32
	// DataBlockBytes and HashBlockBytes are powers of two from 512 to
	// 512 KiB.
	DataBlockBytes, HashBlockBytes uint32
	// DataBlocks is how many data blocks the tree covers, counted from the
	// beginning of the image.
	DataBlocks uint64
	// Algorithm is "sha256" or "sha512".
	Algorithm string
	// Salt is hashed before every block; up to 256 bytes, or none.
	Salt []byte
	// UUID is in the order in which it is written.
	UUID [16]byte
}

const (
	// SuperblockBytes is sizeof(struct verity_sb).
	SuperblockBytes = 512
	// SuperblockAlignment is that of VERITY_read_sb in the same file.
	SuperblockAlignment = 512
)

// What cryptsetup allows (VERITY_BLOCK_SIZE_OK in lib/verity/verity.h). That
// the kernel opens no data block larger than a page is left to whoever builds
// the image: page sizes differ between machines.
const (
	minBlockBytes = 512
	maxBlockBytes = 512 << 10
)

// Nothing of an image is read but its first HeadBytes, and TopBytes from where
// the superblock begins.
const (
	HeadBytes = maxBlockBytes
	TopBytes  = SuperblockBytes + 2*maxBlockBytes
)

// digests are the algorithms by their names in the kernel's crypto API.
var digests = map[string]func() hash.Hash{
	"sha256": sha256.New,
	"sha512": sha512.New,
}

// rawSuperblock is the superblock as it is on disk: little endian, packed.
type rawSuperblock struct {
	Signature      [8]byte
	Version        uint32
	HashType       uint32
	UUID           [16]byte
	Algorithm      [32]byte
	DataBlockBytes uint32
	HashBlockBytes uint32
	DataBlocks     uint64
	SaltBytes      uint16
	_              [6]byte
	Salt           [256]byte
	_              [168]byte
}

func readSuperblock(r io.ReaderAt, imageBytes, hashOffset int64) (Superblock, error) {
	if hashOffset < 0 || hashOffset%SuperblockAlignment != 0 ||
		hashOffset > imageBytes || imageBytes-hashOffset < SuperblockBytes {
		return Superblock{}, invalid("verity superblock", "hash offset",
			"%d is no multiple of %d with room for one in an image of %d bytes", hashOffset, SuperblockAlignment, imageBytes)
	}
	buf := make([]byte, SuperblockBytes)
	if err := readFull(r, "verity superblock", buf, hashOffset); err != nil {
		return Superblock{}, err
	}
	return DecodeSuperblock(buf)
}

// DecodeSuperblock checks each field of a superblock for itself. An error that
// wraps ErrInvalid names the field that is wrong.
func DecodeSuperblock(block []byte) (Superblock, error) {
	var raw rawSuperblock
	if _, err := binary.Decode(block, binary.LittleEndian, &raw); err != nil {
		return Superblock{}, err
	}
	return raw.superblock()
}

// superblock checks each field for itself; how they fit together and into
// the image is for RootHash.
func (raw *rawSuperblock) superblock() (Superblock, error) {
	// The whole field: a name with something behind its NUL is another one.
	algorithm := string(bytes.TrimRight(raw.Algorithm[:], "\x00"))
	fail := func(field, format string, args ...any) (Superblock, error) {
		return Superblock{}, invalid("verity superblock", field, format, args...)
	}
	switch {
	case string(raw.Signature[:]) != "verity\x00\x00":
		return fail("signature", "%q is not that of dm-verity", raw.Signature)
	case raw.Version != 1:
		return fail("version", "%d is not 1", raw.Version)
	case raw.HashType != 1:
		return fail("hash type", "%d is not 1", raw.HashType)
	case digests[algorithm] == nil:
		return fail("algorithm", "%q is neither sha256 nor sha512", algorithm)
	case !isBlockSize(raw.DataBlockBytes):
		return fail("data block size", "%d is not a power of two from %d to %d", raw.DataBlockBytes, minBlockBytes, maxBlockBytes)
	case !isBlockSize(raw.HashBlockBytes):
		return fail("hash block size", "%d is not a power of two from %d to %d", raw.HashBlockBytes, minBlockBytes, maxBlockBytes)
	case int(raw.SaltBytes) > len(raw.Salt):
		return fail("salt size", "%d is more than %d", raw.SaltBytes, len(raw.Salt))
	}
	return Superblock{
		HashType:       raw.HashType,
		DataBlockBytes: raw.DataBlockBytes,
		HashBlockBytes: raw.HashBlockBytes,
		DataBlocks:     raw.DataBlocks,
		Algorithm:      algorithm,
		Salt:           bytes.Clone(raw.Salt[:raw.SaltBytes]),
		UUID:           raw.UUID,
	}, nil
}

func isBlockSize(n uint32) bool {
	return bits.OnesCount32(n) == 1 && n >= minBlockBytes && n <= maxBlockBytes
}
