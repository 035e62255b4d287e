// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ReadOnly is a volume that was opened to be read only, whoever else uses it:
// the running system's. Reading ends at its capacity with [io.EOF].
type ReadOnly interface {
	io.ReaderAt
	io.Closer
	// SizeBytes is the capacity.
	SizeBytes() int64
}

// OpenReadOnly opens a volume that may be in use: [ErrNotFound] when there is
// none of that name that is active.
func (g *Group) OpenReadOnly(ctx context.Context, name string) (ReadOnly, error) {
	if err := errors.Join(checkName(name), ctx.Err()); err != nil {
		return nil, err
	}
	return openToRead(unix.AT_FDCWD, g.node(name), name, 0, func(st *unix.Stat_t) string {
		if st.Mode&unix.S_IFMT != unix.S_IFBLK {
			return "not a block device"
		}
		return ""
	})
}

// OpenReadOnly opens a volume that may be in use: [ErrNotFound] when there is
// none, [ErrInUse] when it is no regular file with one name.
func (d *Directory) OpenReadOnly(ctx context.Context, name string) (ReadOnly, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	folder, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	defer folder.Close() // only read
	return openToRead(int(folder.Fd()), name, name, unix.O_NOFOLLOW, unfit)
}

// openToRead opens what path names in folder, unless unfit says why not.
func openToRead(folder int, path, name string, flags int, unfit func(*unix.Stat_t) string) (ReadOnly, error) {
	node, err := openPath(folder, path, flags)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer node.Close() // opened as a path only: nothing to lose
	var st unix.Stat_t
	if err := unix.Fstat(int(node.Fd()), &st); err != nil {
		return nil, fmt.Errorf("%s: %w", name, os.NewSyscallError("fstat", err))
	}
	if reason := unfit(&st); reason != "" {
		return nil, fmt.Errorf("%s: %w: %s", name, ErrInUse, reason)
	}
	file, err := reopen(node, unix.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	sizeBytes, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), closeAll(file))
	}
	return &readOnly{file, sizeBytes}, nil
}

// readOnly is an open volume of either backend.
type readOnly struct {
	*os.File
	sizeBytes int64
}

func (r *readOnly) SizeBytes() int64 { return r.sizeBytes }
