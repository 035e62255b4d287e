// SPDX-License-Identifier: LGPL-2.1-or-later

// Package cache keeps payloads between their download and their use.
//
// The folder is <state>/cache, mode 0700, and belongs to whom the process
// runs as. Each payload is one file, <name>, and beside it <name>.validator,
// what the server called that version of the file, so that an interrupted
// download can be resumed. A payload is opened once and stays open until it
// is installed: what was verified is what is written, whatever happens to the
// name in between.
//
// Only root could plant something here; it is refused all the same, because a
// symbolic link, a second name or a FIFO in this folder was not made by us.
package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNoSpace: the file system that holds the cache is full.
var ErrNoSpace = errors.New("not enough space in the cache")

// ErrForeign is about what was not made by us; it is left as it is. The text of
// the error names it.
var ErrForeign = errors.New("something else has put this here; remove it")

// Dir is the open cache folder.
type Dir struct {
	folder *os.File
}

// Open makes <state>/cache where it is missing and opens it.
func Open(state string) (*Dir, error) {
	path := filepath.Join(state, "cache")
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	folder, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, foreign(err)
	}
	if err := checkFolder(folder); err != nil {
		folder.Close() //nolint:errcheck // only read
		return nil, err
	}
	return &Dir{folder}, nil
}

func checkFolder(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o077 != 0 {
		return fmt.Errorf("%s: belongs to user %d with mode %04o, must be our own with mode 0700: %w",
			f.Name(), st.Uid, st.Mode&0o7777, ErrForeign)
	}
	return nil
}

// Close closes the folder; files opened from it stay usable.
func (d *Dir) Close() error { return d.folder.Close() }

// FreeBytes is how much may still be written.
func (d *Dir) FreeBytes() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d.folder.Fd()), &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: d.folder.Name(), Err: err}
	}
	return int64(st.Bavail) * st.Bsize, nil //nolint:gosec // no file system has 2^63 blocks
}

// Keep removes every file that does not belong to one of the named payloads.
func (d *Dir) Keep(names ...string) error {
	kept := map[string]bool{}
	for _, n := range names {
		kept[n], kept[n+validatorSuffix] = true, true
	}
	if _, err := d.folder.Seek(0, 0); err != nil {
		return err
	}
	found, err := d.folder.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range found {
		if kept[name] {
			continue
		}
		if err := unix.Unlinkat(int(d.folder.Fd()), name, 0); err != nil {
			return &os.PathError{Op: "remove", Path: filepath.Join(d.folder.Name(), name), Err: foreign(err)}
		}
	}
	return nil
}

// open opens a name below the folder and nothing else: no link is followed
// (openat2(2), RESOLVE_NO_SYMLINKS), and what is found must be a regular file
// with one name that belongs to us.
func (d *Dir) open(name string, flags uint64) (*os.File, error) {
	path := filepath.Join(d.folder.Name(), name)
	fd, err := unix.Openat2(int(d.folder.Fd()), name, &unix.OpenHow{
		// O_NONBLOCK: opening a FIFO must not wait for its other end.
		Flags:   flags | unix.O_CLOEXEC | unix.O_NONBLOCK,
		Mode:    createMode(flags),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: foreign(noSpace(err))}
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		f.Close() //nolint:errcheck // nothing was written
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || int(st.Uid) != os.Geteuid() {
		f.Close() //nolint:errcheck // nothing was written
		return nil, fmt.Errorf("%s: not a regular file of our own with a single name: %w", path, ErrForeign)
	}
	return f, nil
}

// foreign names what the kernel does not even open or remove for us (openat2(2),
// unlink(2)): a link, a folder, a file that should be one, a socket, a mount.
func foreign(err error) error {
	for _, e := range []error{unix.ELOOP, unix.EISDIR, unix.ENOTDIR, unix.ENXIO, unix.EXDEV, unix.EBUSY} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", err, ErrForeign)
		}
	}
	return err
}

// createMode is 0600 for a file to be created; openat2 refuses a mode otherwise.
func createMode(flags uint64) uint64 {
	if flags&unix.O_CREAT != 0 {
		return 0o600
	}
	return 0
}

// noSpace names a full file system, whatever the kernel calls it.
func noSpace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}
