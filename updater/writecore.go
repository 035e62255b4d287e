// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/updater/internal/minisig"
)

const (
	// writeChunkBytes is how much goes to the disk at a time.
	writeChunkBytes = 4 << 20
	// flushBytes is how much is written between two flushes: little enough
	// that a flush on a slow disk is short, much enough that it costs nothing.
	flushBytes = 64 << 20
	// lifeInterval is how often waiting gives a sign of life.
	lifeInterval = 500 * time.Millisecond
)

// writeCore writes the image and reads it back from the device: the signature
// has to hold for what is there. What is flushed is read back while the next
// piece is written, because hashing takes as long as writing. What lies behind
// the image is discarded first, so that nothing comes after the last flush.
func (r *run) writeCore(ctx context.Context, c *cleared) error {
	size := c.core.Len()
	if err := c.device.Discard(size); err != nil {
		return err
	}
	if err := c.device.Flush(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	back := newReadBack(c.device, r.config.key.NewVerifier(c.core.signature))
	go back.run(ctx)
	if err := r.copyCore(ctx, c, back); err != nil {
		cancel()
		<-back.ended
		return err
	}
	if err := r.await(back, size); err != nil {
		return err
	}
	if back.verifier.Verify() != nil {
		return ErrReadBackMismatch
	}
	return nil
}

// copyCore writes the image piece by piece and hands each, once it is flushed,
// on to be read back.
func (r *run) copyCore(ctx context.Context, c *cleared, back *readBack) error {
	defer close(back.flushed)
	size := c.core.Len()
	buf := lvm.AlignedBuffer(writeChunkBytes)
	for offset := int64(0); offset < size; offset += flushBytes {
		end := min(offset+flushBytes, size)
		piece := io.NewSectionReader(c.core.File, offset, end-offset)
		err := copyToDevice(ctx, c.device, piece, offset, buf, func(done int64) {
			r.progress.bytes(done+back.checked.Load(), 2*size)
		})
		if err != nil {
			return err
		}
		if err := c.device.Flush(); err != nil {
			return err
		}
		select {
		case back.flushed <- end:
		case <-back.ended:
			return back.err
		}
	}
	return nil
}

// copyToDevice writes what r has at offset; progress is told how far it came.
func copyToDevice(ctx context.Context, d lvm.Device, r io.Reader, offset int64, buf []byte, progress func(int64)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(r, buf)
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("reading the cache: %w", err)
		}
		if _, err := d.WriteAt(buf[:n], offset); err != nil {
			return err
		}
		offset += int64(n)
		progress(offset)
	}
}

// await waits for the rest to be read back.
func (r *run) await(back *readBack, size int64) error {
	life := time.NewTicker(lifeInterval)
	defer life.Stop()
	for {
		select {
		case <-back.ended:
			r.progress.bytes(size+back.checked.Load(), 2*size)
			return back.err
		case <-life.C:
			r.progress.bytes(size+back.checked.Load(), 2*size)
		}
	}
}

// readBack hashes what a device holds, up to where it is flushed.
type readBack struct {
	device   lvm.Device
	verifier *minisig.Verifier
	// flushed says up to where; closed, that there is no more to come.
	flushed chan int64
	// checked is how many bytes are read back.
	checked atomic.Int64
	// ended is closed at the end; err is set then.
	ended chan struct{}
	err   error
}

func newReadBack(d lvm.Device, v *minisig.Verifier) *readBack {
	// One piece may wait while another is read.
	return &readBack{device: d, verifier: v, flushed: make(chan int64, 1), ended: make(chan struct{})}
}

func (b *readBack) run(ctx context.Context) {
	defer close(b.ended)
	buf := lvm.AlignedBuffer(writeChunkBytes)
	for end := range b.flushed {
		for offset := b.checked.Load(); offset < end; offset = b.checked.Load() {
			if b.err = ctx.Err(); b.err != nil {
				return
			}
			n, err := b.device.ReadBackAt(buf[:min(int64(len(buf)), end-offset)], offset)
			if err != nil {
				b.err = fmt.Errorf("reading back: %w", err)
				return
			}
			b.verifier.Write(buf[:n]) //nolint:errcheck // a hash does not fail
			b.checked.Add(int64(n))
		}
	}
}
