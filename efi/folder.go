// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFiles bounds the list of names. A boot partition holds a handful.
const maxFiles = 4096

// folder is the open folder of boot entries. A name in it is one file name
// without a slash, and is never resolved through a symbolic link.
type folder struct{ *os.File }

// fd is valid while the folder is open.
func (d folder) fd() int { return int(d.Fd()) }

func (d folder) names() ([]string, error) {
	if _, err := d.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("folder %s: more than %d files", d.Name(), maxFiles)
	}
	slices.Sort(names)
	return names, nil
}

// find tells whether a file of exactly that name is there. It is an error when
// only another spelling is: FAT would take that one for it.
func (d folder) find(file string) (bool, error) {
	names, err := d.names()
	if err != nil {
		return false, err
	}
	if slices.Contains(names, file) {
		return true, nil
	}
	// EqualFold knows more letters than FAT does, which errs on the safe side.
	other := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, file) })
	if other >= 0 {
		return false, fmt.Errorf("file %s: there is %.80q: %w", file, names[other], fs.ErrExist)
	}
	return false, nil
}

// findRegular is find for a file that is going to be renamed or removed.
func (d folder) findRegular(file string) (bool, error) {
	found, err := d.find(file)
	if err != nil || !found {
		return false, err
	}
	stat, err := d.stat(file)
	if err != nil {
		return false, err
	}
	if !isRegular(stat) {
		return false, notRegular(file)
	}
	return true, nil
}

func (d folder) stat(file string) (unix.Stat_t, error) {
	var stat unix.Stat_t
	err := unix.Fstatat(d.fd(), file, &stat, unix.AT_SYMLINK_NOFOLLOW)
	return stat, pathError("stat", file, err)
}

// openFile opens a file that is regular. Non-blocking: a FIFO must not stop us.
func (d folder) openFile(file string, flags int) (*os.File, error) {
	flags |= unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(d.fd(), file, flags, 0o600)
	if err != nil {
		return nil, pathError("open", file, err)
	}
	f := os.NewFile(uintptr(fd), file)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(file)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// renameNew renames within the folder, never over another file.
func (d folder) renameNew(from, to string) error {
	err := unix.Renameat2(d.fd(), from, d.fd(), to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return d.renameChecked(from, to)
	}
	return pathError("rename", to, err)
}

// renameChecked is for file systems without RENAME_NOREPLACE (vfat has it since
// Linux 3.16). The folder belongs to root, so nothing comes between the two calls.
func (d folder) renameChecked(from, to string) error {
	_, err := d.stat(to)
	if err == nil {
		err = unix.EEXIST
	} else if errors.Is(err, fs.ErrNotExist) {
		err = unix.Renameat(d.fd(), from, d.fd(), to)
	}
	return pathError("rename", to, err)
}

func isRegular(stat unix.Stat_t) bool { return stat.Mode&unix.S_IFMT == unix.S_IFREG }

func notRegular(file string) error {
	return fmt.Errorf("file %s: not a regular file: %w", file, errForeign)
}

func pathError(operation, file string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: operation, Path: file, Err: err}
}
