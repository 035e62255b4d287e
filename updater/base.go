// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"fmt"

	"golang.org/x/crypto/blake2b"

	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/patch"
)

// rebuildWorkers is how many pieces of a patch are rebuilt at once.
const rebuildWorkers = 2

// openPatch reads a patch that was verified as a file, and the base, which has
// to be the one that it was made from.
func (r *run) openPatch(ctx context.Context, i *image, to policy.Version) (baseBytes int64, err error) {
	p, err := patch.Open(i.file.File, i.file.Len())
	if err != nil {
		return 0, err
	}
	h := p.Header()
	if err := checkHeader(h, i, r.config.Running, to); err != nil {
		return 0, err
	}
	workers, err := h.WorkersFor(patch.MaxRebuildBytes, rebuildWorkers)
	if err != nil {
		return 0, err
	}
	if err := r.checkBase(ctx, i.base, h); err != nil {
		return 0, fmt.Errorf("%s: %w", volumeName(r.config.Running), err)
	}
	i.sizeBytes = h.Result.SizeBytes
	i.rebuild = func(ctx context.Context, write func([]byte) error) error {
		return p.Rebuild(ctx, i.base, workers, write)
	}
	return h.Base.SizeBytes, nil
}

// checkHeader demands that a patch leads from the version that runs to the one
// wanted. Its signature says only the latter, as that of every file of that
// version.
func checkHeader(h patch.Header, i *image, from, to policy.Version) error {
	switch {
	case h.From != from.String() || h.To != to.String():
		return fmt.Errorf("%w: it leads from %.80q to %.80q, not from %q to %q", ErrVersionMismatch, h.From, h.To, from, to)
	case h.Result.SizeBytes > i.maxBytes:
		return fmt.Errorf("%w: its image has %d bytes, at most %d are accepted", ErrResponseTooLarge, h.Result.SizeBytes, i.maxBytes)
	}
	return nil
}

// checkBase reads the base once. It is another where this machine runs an image
// that was changed after its release, or that its disk has lost bits of.
func (r *run) checkBase(ctx context.Context, base lvm.ReadOnly, h patch.Header) error {
	if base.SizeBytes() < h.Base.SizeBytes {
		return fmt.Errorf("%w: it has %d bytes, the image %d", patch.ErrBase, base.SizeBytes(), h.Base.SizeBytes)
	}
	hash, err := blake2b.New512(nil)
	if err != nil {
		return err
	}
	total := h.Base.SizeBytes + h.Result.SizeBytes
	err = pump(ctx, h.Base.SizeBytes, writeChunkBytes, readFully("the running system", base), func(p []byte, offset int64) error {
		r.progress.bytes(offset+int64(len(p)), total)
		_, err := hash.Write(p)
		return err
	})
	if err == nil && [blake2b.Size]byte(hash.Sum(nil)) != h.Base.BLAKE2b {
		err = patch.ErrBase
	}
	return err
}
