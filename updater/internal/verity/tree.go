// SPDX-License-Identifier: LGPL-2.1-or-later

package verity

import "math"

// DataBytes is how much of the image the tree covers. An error wraps
// ErrInvalid: it covers nothing, or more than there is before the superblock.
func (s Superblock) DataBytes(hashOffset int64) (int64, error) {
	blockBytes := int64(s.DataBlockBytes)
	if s.DataBlocks == 0 || s.DataBlocks > math.MaxInt64 || int64(s.DataBlocks) > hashOffset/blockBytes {
		return 0, invalid("verity superblock", "data blocks", "%d of %d bytes do not end before the superblock at %d",
			s.DataBlocks, blockBytes, hashOffset)
	}
	return int64(s.DataBlocks) * blockBytes, nil
}

// TreeOffset is where the tree of a superblock at hashOffset begins.
func (s Superblock) TreeOffset(hashOffset int64) int64 {
	end := hashOffset + SuperblockBytes
	return end + s.treePadding(end)
}

// TreeBytes is how long the tree is. One data block has none.
func (s Superblock) TreeBytes() int64 {
	return s.treeBlocks() * int64(s.HashBlockBytes)
}

// Tree is a hash tree in the making.
type Tree struct {
	superblock Superblock
	// bytes has the levels in their order on disk, the top first; levels are
	// where each begins, the lowest first.
	bytes  []byte
	levels []int64
}

// NewTree takes up as much memory as the tree has bytes.
func NewTree(s Superblock) *Tree {
	t := &Tree{superblock: s, bytes: make([]byte, s.TreeBytes())}
	end := int64(len(t.bytes))
	for _, blocks := range s.levelBlocks() {
		end -= blocks * int64(s.HashBlockBytes)
		t.levels = append(t.levels, end)
	}
	return t
}

// HashData takes whole data blocks, the first of which has the given number.
// It may be called for different blocks at the same time.
func (t *Tree) HashData(first int64, data []byte) {
	if len(t.levels) > 0 {
		t.hashBlocks(data, int64(t.superblock.DataBlockBytes), t.digests(0, first))
	}
}

// Finish returns the tree once all data has been hashed.
func (t *Tree) Finish() []byte {
	end := int64(len(t.bytes))
	for level := range len(t.levels) - 1 {
		begin := t.levels[level]
		t.hashBlocks(t.bytes[begin:end], int64(t.superblock.HashBlockBytes), t.digests(level+1, 0))
		end = begin
	}
	return t.bytes
}

// digests is the place of a level's digests, from a block's on. Digests are
// as long as a power of two, so there is nothing between them.
func (t *Tree) digests(level int, block int64) []byte {
	digestBytes := int64(digests[t.superblock.Algorithm]().Size())
	return t.bytes[t.levels[level]+block*digestBytes:]
}

func (t *Tree) hashBlocks(blocks []byte, blockBytes int64, to []byte) {
	h := digests[t.superblock.Algorithm]()
	for ; len(blocks) > 0; blocks = blocks[blockBytes:] {
		h.Reset()
		h.Write(t.superblock.Salt)
		h.Write(blocks[:blockBytes])
		h.Sum(to[:0])
		to = to[h.Size():]
	}
}
