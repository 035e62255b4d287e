// SPDX-License-Identifier: LGPL-2.1-or-later

// Package verity computes the dm-verity root hash of a core image, to compare
// it with the one on the kernel command line that is to boot that image.
//
// # The image
//
// A read-only file system, the dm-verity superblock and hash tree of
// veritysetup(8), and possibly forward error correction and padding:
//
//	0                 squashfs, or EROFS (its superblock at 1024)
//	hashOffset        superblock, 512 bytes
//	                  zeros to the next multiple of the hash block size
//	                  hash tree, root first
//	                  anything
//
// The multiple counts from the beginning of the image, not of the
// superblock. An image made with "veritysetup format --hash-offset" is like
// that, and so is a file system with a hash file of its own appended, as CLIP
// OS does it, when the file system ends at such a multiple.
//
// # What it proves
//
// The root hash is the hash of salt and top block of the tree. That the tree
// below fits the top block, and the data the tree, is not looked at: dm-verity
// does that for each block it reads, and the signature of the whole image has
// been checked before. So the answer costs three short reads, whatever the
// size of the image, and holds for an image that is already trusted. An image
// that is not can still do no harm: every field is checked before it is used,
// and nothing beyond imageBytes is read.
//
// # What is refused
//
// Everything but hash type 1 (the salt before the block, digests padded to a
// power of two) with SHA-256 or SHA-512. Type 0 is the format of Chrome OS,
// which veritysetup makes only when asked to; its trees are hashed in another
// order, and code for it would have nobody to use it.
//
// The superblock is described in cryptsetup's lib/verity/verity.c (struct
// verity_sb) and https://gitlab.com/cryptsetup/cryptsetup/-/wikis/DMVerity,
// the tree in the kernel's Documentation/admin-guide/device-mapper/verity.rst.
package verity

import (
	"errors"
	"fmt"
	"io"
)

// ErrInvalid is wrapped by every error that is the image's fault. Any other
// error comes from reading it.
var ErrInvalid = errors.New("image invalid")

// RootHash reads the superblock at hashOffset of an image of imageBytes
// bytes and computes the root hash the tree behind it has. It demands that
// the file system at the beginning of the image lies within the data that
// the tree covers, the data before the superblock, and the tree within the
// image. Sizes and offsets are in bytes. An error that wraps ErrInvalid names
// the field that is wrong.
func RootHash(r io.ReaderAt, imageBytes, hashOffset int64) (Superblock, []byte, error) {
	r = io.NewSectionReader(r, 0, imageBytes)
	s, err := readSuperblock(r, imageBytes, hashOffset)
	if err != nil {
		return Superblock{}, nil, err
	}
	_, fileSystemBytes, err := FileSystemBytes(r)
	if err != nil {
		return Superblock{}, nil, err
	}
	if err := s.checkData(fileSystemBytes, hashOffset); err != nil {
		return Superblock{}, nil, err
	}
	if err := s.checkTree(imageBytes, hashOffset); err != nil {
		return Superblock{}, nil, err
	}
	root, err := s.hashTop(r, hashOffset)
	if err != nil {
		return Superblock{}, nil, err
	}
	return s, root, nil
}

// checkData demands that the data area ends before the superblock, and the
// file system in the data area.
func (s Superblock) checkData(fileSystemBytes, hashOffset int64) error {
	dataBytes, err := s.DataBytes(hashOffset)
	if err != nil {
		return err
	}
	if dataBytes < fileSystemBytes {
		return invalid("verity superblock", "data blocks", "cover %d bytes of a file system of %d",
			dataBytes, fileSystemBytes)
	}
	return nil
}

// checkTree demands that the tree ends in the image.
func (s Superblock) checkTree(imageBytes, hashOffset int64) error {
	roomBytes := imageBytes - s.TreeOffset(hashOffset)
	if blocks := s.treeBlocks(); blocks > roomBytes/int64(s.HashBlockBytes) {
		return invalid("verity superblock", "hash tree", "%d blocks of %d bytes do not end in an image of %d",
			blocks, s.HashBlockBytes, imageBytes)
	}
	return nil
}

// treePadding is how many bytes lie between the end of the superblock and
// the tree.
func (s Superblock) treePadding(superblockEnd int64) int64 {
	return -superblockEnd & (int64(s.HashBlockBytes) - 1)
}

// treeBlocks is how many hash blocks the tree has in all its levels.
func (s Superblock) treeBlocks() int64 {
	var total int64
	for _, blocks := range s.levelBlocks() {
		total += blocks
	}
	return total
}

// levelBlocks is how many hash blocks each level of the tree has, the lowest
// first: each has the digests of the blocks of the one below, until one block
// is left. One data block has no tree.
func (s Superblock) levelBlocks() []int64 {
	// Both digests are powers of two long, so a block is full of them.
	perBlock := int64(s.HashBlockBytes) / int64(digests[s.Algorithm]().Size())
	var levels []int64
	for n := int64(s.DataBlocks); n > 1; { //nolint:gosec // G115: no more than checkData lets pass
		n = (n-1)/perBlock + 1
		levels = append(levels, n)
	}
	return levels
}

// hashTop computes the digest of the block at the top: the first of the
// tree or, where there is no tree, the only data block.
func (s Superblock) hashTop(r io.ReaderAt, hashOffset int64) ([]byte, error) {
	offset := s.TreeOffset(hashOffset)
	sizeBytes := int64(s.HashBlockBytes)
	if s.DataBlocks == 1 {
		offset, sizeBytes = 0, int64(s.DataBlockBytes)
	}
	h := digests[s.Algorithm]()
	h.Write(s.Salt)
	n, err := io.Copy(h, io.NewSectionReader(r, offset, sizeBytes))
	if err == nil && n < sizeBytes {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, readError("verity top block", offset, err)
	}
	return h.Sum(nil), nil
}

// readFull fills p from the bytes of the image at offset.
func readFull(r io.ReaderAt, what string, p []byte, offset int64) error {
	if _, err := io.ReadFull(io.NewSectionReader(r, offset, int64(len(p))), p); err != nil {
		return readError(what, offset, err)
	}
	return nil
}

// readError tells an image that ends too early, which is the image's fault,
// from one that cannot be read.
func readError(what string, offset int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %s at byte %d is not all there", ErrInvalid, what, offset)
	}
	return fmt.Errorf("%s at byte %d: %w", what, offset, err)
}

func invalid(structure, field, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s: %s", ErrInvalid, structure, field, fmt.Sprintf(format, args...))
}
