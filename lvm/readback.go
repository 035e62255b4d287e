// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// bounceBytes is read at once where the caller's own buffer does not do for
// direct I/O.
const bounceBytes = 1 << 20

// readBack fills p, which lies within the volume, from the device.
func (d *device) readBack(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if d.direct == nil {
		return d.readDropped(p, off)
	}
	n, err := d.readDirect(p, off)
	if errors.Is(err, unix.EINVAL) { // this volume wants larger blocks
		var dropped int
		dropped, err = d.readDropped(p[n:], off+int64(n))
		n += dropped
	}
	return n, err
}

func (d *device) readDirect(p []byte, off int64) (int, error) {
	n := 0
	if isAligned(p, off) {
		var err error
		if n, err = d.direct.ReadAt(p[:len(p)&^(blockBytes-1)], off); err != nil {
			return n, noEOF(err)
		}
	}
	if n == len(p) {
		return n, nil
	}
	rest, err := d.readBounced(p[n:], off+int64(n))
	return n + rest, err
}

// readBounced reads whole blocks around what is wanted into a buffer of its
// own. The last block of a volume may be cut short.
func (d *device) readBounced(p []byte, off int64) (int, error) {
	buffer := AlignedBuffer(int(min(roundUp(int64(len(p)))+blockBytes, bounceBytes)))
	n := 0
	for n < len(p) {
		at := off + int64(n)
		skip := int(at % blockBytes)
		got, err := d.direct.ReadAt(buffer, at-int64(skip))
		if got <= skip {
			return n, noEOF(err)
		}
		n += copy(p[n:], buffer[skip:got])
	}
	return n, nil
}

// readDropped reads through the page cache after emptying it. Only clean pages
// can be dropped, so all is written first.
func (d *device) readDropped(p []byte, off int64) (int, error) {
	fd := int(d.file.Fd())
	if err := unix.Fdatasync(fd); err != nil {
		return 0, os.NewSyscallError("fdatasync", err)
	}
	// A page that is covered only in part is kept: posix_fadvise(2).
	begin := off &^ (blockBytes - 1)
	if err := unix.Fadvise(fd, begin, roundUp(off+int64(len(p)))-begin, unix.FADV_DONTNEED); err != nil {
		return 0, os.NewSyscallError("posix_fadvise", err)
	}
	n, err := d.file.ReadAt(p, off)
	return n, noEOF(err)
}

// noEOF: within a volume there is no end of file. One that became shorter than
// it was when it was opened must not look like one read to its end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
