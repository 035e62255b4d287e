// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// device is an open volume of either backend.
type device struct {
	name      string
	sizeBytes int64
	// file is the descriptor that keeps the volume ours. What direct cannot
	// do goes through it and the page cache.
	file *os.File
	// direct is the same volume without page cache (O_DIRECT, open(2)), nil
	// where the file system has no such thing. The kernel keeps the two
	// coherent.
	direct  *os.File
	discard discarder
}

// discarder gives back length bytes to the end of a volume, beginning at a
// multiple of blockBytes.
type discarder func(f *os.File, off, length int64) error

// newDevice takes file over; on error it is closed.
func newDevice(name string, file *os.File, sizeBytes int64, discard discarder) (*device, error) {
	direct, err := reopen(file, unix.O_RDWR|unix.O_DIRECT)
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return nil, errors.Join(err, closeAll(file))
	}
	return &device{name: name, sizeBytes: sizeBytes, file: file, direct: direct, discard: discard}, nil
}

func (d *device) SizeBytes() int64 { return d.sizeBytes }

func (d *device) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > d.sizeBytes-int64(len(p)) {
		return 0, fmt.Errorf("%s: write of %d bytes at %d: beyond its %d bytes", d.name, len(p), off, d.sizeBytes)
	}
	n, err := d.writeDirect(p, off)
	if err == nil && n < len(p) {
		var buffered int
		buffered, err = d.file.WriteAt(p[n:], off+int64(n))
		n += buffered
	}
	return n, d.explain(err)
}

// writeDirect writes as many whole blocks of p as it can, perhaps none.
func (d *device) writeDirect(p []byte, off int64) (int, error) {
	if d.direct == nil || !isAligned(p, off) {
		return 0, nil
	}
	n, err := d.direct.WriteAt(p[:len(p)&^(blockBytes-1)], off)
	if errors.Is(err, unix.EINVAL) {
		err = nil // this volume wants larger blocks, or its disk became full within one
	}
	return n, err
}

func (d *device) Flush() error {
	return d.explain(os.NewSyscallError("fdatasync", unix.Fdatasync(int(d.file.Fd()))))
}

func (d *device) Discard(off int64) error {
	if off < 0 || off > d.sizeBytes {
		return fmt.Errorf("%s: discard at %d: beyond its %d bytes", d.name, off, d.sizeBytes)
	}
	whole := min(roundUp(off), d.sizeBytes)
	if _, err := d.file.WriteAt(make([]byte, whole-off), off); err != nil {
		return d.explain(err)
	}
	if whole == d.sizeBytes {
		return nil
	}
	return d.explain(d.discard(d.file, whole, d.sizeBytes-whole))
}

func (d *device) ReadBackAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("%s: read at %d", d.name, off)
	}
	want := p[:min(int64(len(p)), max(d.sizeBytes-off, 0))]
	n, err := d.readBack(want, off)
	if err == nil && n < len(p) {
		return n, io.EOF
	}
	return n, d.explain(err)
}

func (d *device) Close() error {
	return d.explain(closeAll(d.direct, d.file))
}

// explain puts the name before an error and says what a full disk means.
func (d *device) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%s: %w: %w", d.name, ErrNoSpace, err)
	}
	return fmt.Errorf("%s: %w", d.name, err)
}
