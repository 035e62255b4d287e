// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"fmt"
	"io"

	"github.com/clipos/updater/lvm"
)

const (
	// writeChunkBytes is how much goes to the disk at a time; of an image that is
	// rebuilt meanwhile, which takes memory for itself, less.
	writeChunkBytes   = 4 << 20
	rebuildChunkBytes = 1 << 20
	// writeChunks is how many chunks are under way: one being read, one being
	// written, one between.
	writeChunks = 3
	// flushBytes is how much is written between two flushes: little enough
	// that each is short where writes go through the page cache.
	flushBytes = 64 << 20
)

// writeCore writes the image, flushes, discards what lies behind it, and then
// reads the device from its beginning: the bytes there have to be those that
// were verified. Not before the last byte is written: a disk smaller than it claims to
// be overwrites its first bytes with its last.
func (r *run) writeCore(ctx context.Context, c *cleared) error {
	size := c.core.sizeBytes
	// Written bytes and bytes read back both count.
	total := 2 * size
	read, chunkBytes, end := c.core.begin(ctx)
	err := pump(ctx, size, chunkBytes, read, func(p []byte, offset int64) error {
		if _, err := c.device.WriteAt(p, offset); err != nil {
			return err
		}
		end := offset + int64(len(p))
		r.progress.bytes(end, total)
		if end%flushBytes == 0 {
			return c.device.Flush()
		}
		return nil
	})
	end()
	if err != nil {
		return err
	}
	if err := c.device.Flush(); err != nil {
		return err
	}
	if err := c.device.Discard(size); err != nil {
		return err
	}
	tags := c.core.tags.again()
	err = pump(ctx, size, writeChunkBytes, readBack(c.device), func(p []byte, offset int64) error {
		r.progress.bytes(size+offset+int64(len(p)), total)
		_, err := tags.Write(p)
		return err
	})
	if err == nil && !tags.equal(c.core.tags) {
		err = ErrReadBackMismatch
	}
	return err
}

// readAt fills a chunk from a place.
type readAt func(p []byte, offset int64) error

func readFully(what string, r io.ReaderAt) readAt {
	return func(p []byte, offset int64) error {
		if _, err := io.ReadFull(io.NewSectionReader(r, offset, int64(len(p))), p); err != nil {
			return fmt.Errorf("reading %s: %w", what, err)
		}
		return nil
	}
}

func readBack(d lvm.Device) readAt {
	return func(p []byte, offset int64) error {
		if _, err := d.ReadBackAt(p, offset); err != nil {
			return fmt.Errorf("reading back: %w", err)
		}
		return nil
	}
}

// chunk is a piece on its way, or why there is none.
type chunk struct {
	data   []byte
	offset int64
	err    error
}

// pump hands size bytes on in order, in aligned chunks, and reads the next one
// while one is handed on. Nothing of it runs any more when it returns.
func pump(ctx context.Context, size int64, chunkBytes int, read readAt, write func(p []byte, offset int64) error) error {
	full, free, quit := make(chan chunk), make(chan []byte, writeChunks), make(chan struct{})
	for range writeChunks {
		free <- lvm.AlignedBuffer(chunkBytes)
	}
	go readAhead(size, read, full, free, quit)
	err := handOn(ctx, full, free, write)
	close(quit)
	for range full {
		// What was read ahead is dropped, until the reader has ended.
	}
	return err
}

func handOn(ctx context.Context, full <-chan chunk, free chan<- []byte, write func(p []byte, offset int64) error) error {
	for c := range full {
		if c.err != nil {
			return c.err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := write(c.data, c.offset); err != nil {
			return err
		}
		free <- c.data[:cap(c.data)]
	}
	return ctx.Err()
}

func readAhead(size int64, read readAt, full chan<- chunk, free <-chan []byte, quit <-chan struct{}) {
	defer close(full)
	for offset := int64(0); offset < size; {
		var c chunk
		select {
		case buf := <-free:
			c = chunk{data: buf[:min(int64(len(buf)), size-offset)], offset: offset}
		case <-quit:
			return
		}
		c.err = read(c.data, offset)
		select {
		case full <- c:
		case <-quit:
			return
		}
		offset += int64(len(c.data))
	}
}
