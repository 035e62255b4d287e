// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"io"

	"github.com/clipos/updater/updater/internal/verity"
)

// sampleBlockBytes is the unit in which a sample is kept.
const sampleBlockBytes = 64 << 10

// errNotKept is a mistake in here: checkContent reads what a sample has not.
var errNotKept = errors.New("not kept of the image")

// sample keeps, of an image that passes, what checkContent will read: its
// beginning, and the beginning of the hash tree.
type sample struct {
	// findTree tells from the image's beginning where the hash tree begins.
	findTree  func(head io.ReaderAt) (offset int64, err error)
	treeBegin int64 // -1 while not known
	sizeBytes int64
	blocks    map[int64][]byte
}

func newSample(findTree func(io.ReaderAt) (int64, error)) *sample {
	return &sample{findTree: findTree, treeBegin: -1, blocks: map[int64][]byte{}}
}

// Write takes the next bytes of the image. It never fails.
func (s *sample) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		block, at := s.sizeBytes/sampleBlockBytes, s.sizeBytes%sampleBlockBytes
		n := min(int64(len(rest)), sampleBlockBytes-at)
		if s.keeps(block) {
			s.blocks[block] = append(s.blocks[block], rest[:n]...)
		}
		s.sizeBytes += n
		rest = rest[n:]
	}
	return len(p), nil
}

func (s *sample) keeps(block int64) bool {
	if block < verity.HeadBytes/sampleBlockBytes {
		return true
	}
	if s.treeBegin < 0 {
		var err error
		if s.treeBegin, err = s.findTree(s); err != nil || s.treeBegin < 0 {
			s.treeBegin = 1<<63 - 1 // checkContent will find the same fault
		}
	}
	begin := block * sampleBlockBytes
	return begin+sampleBlockBytes > s.treeBegin && begin-verity.TopBytes < s.treeBegin
}

// ReadAt implements io.ReaderAt for what is kept.
func (s *sample) ReadAt(p []byte, offset int64) (int, error) {
	n := 0
	for n < len(p) {
		at := offset + int64(n)
		if at >= s.sizeBytes {
			return n, io.EOF
		}
		block := s.blocks[at/sampleBlockBytes]
		if at%sampleBlockBytes >= int64(len(block)) {
			return n, errNotKept
		}
		n += copy(p[n:], block[at%sampleBlockBytes:])
	}
	return n, nil
}
