// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens a volume exclusively: [ErrNotFound], or [ErrInUse] saying why
// when it is no plain file, backs a loop device, is locked, or is open anywhere
// else. Other programs are kept out as far as they lock files: flock(2).
func (d *Directory) Open(ctx context.Context, name string) (Device, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	folder, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	defer folder.Close() // only read
	v, err := d.openVolume(ctx, folder, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}

func (d *Directory) openVolume(ctx context.Context, folder *os.File, name string) (*device, error) {
	node, err := openPath(int(folder.Fd()), name, unix.O_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer node.Close() // opened as a path only: nothing to lose
	sizeBytes, err := d.examine(node)
	if err != nil {
		return nil, err
	}
	file, err := reopen(node, unix.O_RDWR)
	if err != nil {
		return nil, err
	}
	if err := awaitFree(ctx, claimChecks, claimDelay, func() error { return claim(file) }); err != nil {
		return nil, errors.Join(err, closeAll(file))
	}
	return newDevice(name, file, sizeBytes, discardFile)
}

// examine returns the size of what may be opened and written.
func (d *Directory) examine(node *os.File) (sizeBytes int64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(node.Fd()), &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	if reason := unfit(&st); reason != "" {
		return 0, fmt.Errorf("%w: %s", ErrInUse, reason)
	}
	loops, err := d.sysfs.loopFiles()
	if err != nil {
		return 0, err
	}
	if loop := loops[inode{st.Dev, st.Ino}]; loop != "" {
		return 0, fmt.Errorf("%w: beneath %s", ErrInUse, loop)
	}
	return st.Size, nil
}

// claim locks the file and makes sure that nobody had it open before: a lease
// for writing (fcntl(2), F_SETLEASE) is granted only to the one opener there
// is. It is given back at once, for it would make others wait, not fail. Where
// a file system has no leases the lock must do.
func claim(file *os.File) error {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w: locked by another program", ErrInUse)
	}
	if err != nil {
		return os.NewSyscallError("flock", err)
	}
	_, err = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	if errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("%w: open elsewhere", ErrInUse)
	}
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	_, err = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	return os.NewSyscallError("fcntl", err)
}
