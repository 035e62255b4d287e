// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"github.com/clipos/updater/updater/internal/fec"
	"github.com/clipos/updater/updater/internal/verity"
)

// area computes a dm-verity area while the image before it passes.
type area struct {
	*layout
	tree   *verity.Tree
	parity *fec.Encoder // nil without error correction
}

// newArea takes up about as much memory as the area has bytes.
func newArea(l *layout) *area {
	a := &area{layout: l, tree: verity.NewTree(l.superblock)}
	if l.parityBytes > 0 {
		blockBytes := int64(l.superblock.DataBlockBytes)
		a.parity = fec.NewEncoder((l.dataBytes+l.treeBytes)/blockBytes, blockBytes, l.verity.ParityBytes)
	}
	return a
}

// hash takes a part of the image that begins with a block; parts may come in
// any order, and at the same time.
func (a *area) hash(offset int64, part []byte) {
	if part = a.data(offset, part); len(part) > 0 {
		a.tree.HashData(offset/int64(a.superblock.DataBlockBytes), part)
	}
}

// correct takes the same parts in their order.
func (a *area) correct(offset int64, part []byte) {
	if a.parity != nil {
		a.parity.Write(a.data(offset, part))
	}
}

// data is what there is of the data in a part of the image.
func (a *area) data(offset int64, part []byte) []byte {
	return part[:max(0, min(int64(len(part)), a.dataBytes-offset))]
}

// writeTo hands the area to write once all data has passed.
func (a *area) writeTo(write func(p []byte) error) error {
	head := make([]byte, verity.SuperblockBytes+a.paddingBytes)
	copy(head, a.verity.Superblock[:])
	if err := write(head); err != nil {
		return err
	}
	tree := a.tree.Finish()
	if len(tree) > 0 {
		if err := write(tree); err != nil {
			return err
		}
	}
	if a.parity == nil {
		return nil
	}
	a.parity.Write(tree)
	return a.parity.Parity(write)
}
