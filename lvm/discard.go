// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// discardBlocks tells a drive that blocks are free. No failure matters: the
// bytes are not needed, and nothing relies on their being gone. Absent:
// BLKZEROOUT, which where the drive cannot do it by itself writes gigabytes of
// zeros that nobody could interrupt; the hole in its place is made only by
// drives that can.
func discardBlocks(f *os.File, off, length int64) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	reach := [2]uint64{uint64(off), uint64(length)} //nolint:gosec // within the volume: not negative
	return conn.Control(func(fd uintptr) {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.BLKDISCARD, uintptr(unsafe.Pointer(&reach))) //nolint:gosec // ioctl_list(2)
		if errno != 0 {
			_ = punchHole(int(fd), off, length)
		}
	})
}

// discardFile frees the room of a part of a file, which reads as zeros then. A
// file system that cannot do it is no place for image files.
func discardFile(f *os.File, off, length int64) error {
	return os.NewSyscallError("fallocate", punchHole(int(f.Fd()), off, length))
}

func punchHole(fd int, off, length int64) error {
	return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, length)
}
