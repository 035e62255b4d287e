// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Directory keeps volumes as image files in a folder. A new one is a sparse
// file of the configured size. It holds nothing open between calls.
type Directory struct {
	path         string
	newSizeBytes int64
	sysfs        sysfs
}

// NewDirectory returns the folder at path, where a new volume holds
// newSizeBytes.
func NewDirectory(path string, newSizeBytes int64) *Directory {
	return &Directory{path: path, newSizeBytes: newSizeBytes, sysfs: "/sys"}
}

// Survey lists the folder: [ErrGroupNotFound] when it is missing. What is not
// a regular file with one name is listed too, as in use.
func (d *Directory) Survey(ctx context.Context) (Survey, error) {
	folder, err := d.open(ctx)
	if err != nil {
		return Survey{}, err
	}
	defer folder.Close() // only read
	volumes, err := d.volumes(folder)
	if err != nil {
		return Survey{}, err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(folder.Fd()), &st); err != nil {
		return Survey{}, &os.PathError{Op: "statfs", Path: d.path, Err: err}
	}
	return Survey{
		Volumes:      volumes,
		FreeBytes:    int64(st.Bavail) * st.Frsize, //nolint:gosec // no disk has 2^63 blocks
		NewSizeBytes: d.newSizeBytes,
		Sparse:       true,
	}, nil
}

func (d *Directory) volumes(folder *os.File) ([]Volume, error) {
	loops, err := d.sysfs.loopFiles()
	if err != nil {
		return nil, err
	}
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var volumes []Volume
	for _, name := range names {
		var st unix.Stat_t
		err := unix.Fstatat(int(folder.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) || checkName(name) != nil {
			continue // renamed a moment ago, or not a name a volume can have
		}
		if err != nil {
			return nil, &os.PathError{Op: "stat", Path: name, Err: err}
		}
		volumes = append(volumes, Volume{
			Name:      name,
			SizeBytes: st.Size,
			InUse:     unfit(&st) != "" || loops[inode{st.Dev, st.Ino}] != "",
		})
	}
	return volumes, nil
}

// unfit says why what st describes is no image file, or "". A second name may
// be anywhere, say in a backup.
func unfit(st *unix.Stat_t) string {
	switch mode := st.Mode & unix.S_IFMT; {
	case mode == unix.S_IFLNK:
		return "a symbolic link"
	case mode == unix.S_IFDIR:
		return "a folder"
	case mode != unix.S_IFREG:
		return "a special file"
	case st.Nlink != 1:
		return fmt.Sprintf("a file with %d names", st.Nlink)
	}
	return ""
}

// Create makes a volume of the configured size that reads as zeros:
// [io/fs.ErrExist] when there is anything of that name, [ErrNoSpace] when not
// even an empty file fits.
func (d *Directory) Create(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	folder, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer folder.Close() // flushed by create
	err = d.create(folder, name)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// create makes a file without a name (O_TMPFILE, open(2)) and names it when it
// is complete: a volume never has less than its size, power cut or not.
func (d *Directory) create(folder *os.File, name string) error {
	fd, err := unix.Openat(int(folder.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: d.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	err = errors.Join(f.Truncate(d.newSizeBytes), f.Sync())
	if err == nil {
		err = os.NewSyscallError("linkat",
			unix.Linkat(unix.AT_FDCWD, procPath(f), int(folder.Fd()), name, unix.AT_SYMLINK_FOLLOW))
	}
	if err = errors.Join(err, closeAll(f)); err != nil {
		return err
	}
	return folder.Sync()
}

// Rename gives a volume another name: [ErrNotFound] when there is none of the
// old name, [io/fs.ErrExist] when there is anything of the new name. A volume
// that is open stays so.
func (d *Directory) Rename(ctx context.Context, from, to string) error {
	if err := errors.Join(checkName(from), checkName(to)); err != nil {
		return err
	}
	folder, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer folder.Close() // flushed below
	err = unix.Renameat2(int(folder.Fd()), from, int(folder.Fd()), to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.ENOENT) {
		err = ErrNotFound
	}
	if err == nil {
		err = folder.Sync()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}

// Warnings are none: a folder is changed in one step.
func (d *Directory) Warnings() []string { return nil }

// open opens the folder itself. The path may be a symbolic link: it is the
// administrator's choice. The names in it may not.
func (d *Directory) open(ctx context.Context) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	folder, err := os.OpenFile(d.path, unix.O_DIRECTORY|os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("%w: %w", ErrGroupNotFound, err)
	}
	return folder, err
}
