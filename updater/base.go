// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/blake2b"

	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/patch"
)

const (
	// rebuildWorkers is how many pieces of a patch are rebuilt at once.
	rebuildWorkers = 2
	// rebuildBytes is the memory a rebuild may take; with it the whole program
	// was measured to stay below 128 MiB.
	rebuildBytes = 100 << 20
)

// errMemory is about a patch made for machines with more room than we take.
var errMemory = errors.New("rebuilding takes too much memory")

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
	workers, err := workersFor(h)
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

// workersFor is how many pieces may be rebuilt at once; [patch.Patch.Rebuild]
// says what each takes.
func workersFor(h patch.Header) (int, error) {
	computed := h.Result.SizeBytes
	var window, result, frame int64
	for _, p := range h.Pieces {
		computed -= p.Bytes
		window, result, frame = max(window, p.WindowBytes()), max(result, p.Bytes), max(frame, p.FrameBytes)
	}
	piece := window + result + frame
	for workers := int64(rebuildWorkers); workers > 0; workers-- {
		if computed+workers*piece <= rebuildBytes {
			return int(workers), nil
		}
	}
	return 0, fmt.Errorf("%w: %d bytes, at most %d are taken", errMemory, computed+piece, int64(rebuildBytes))
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
