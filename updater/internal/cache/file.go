// SPDX-License-Identifier: LGPL-2.1-or-later

package cache

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	validatorSuffix = ".validator"
	// maxValidatorBytes bounds what a server may call a file: an entity tag
	// or a date.
	maxValidatorBytes = 1 << 10
	// writebackBytes is how much may wait in memory to be written to the disk.
	writebackBytes = 8 << 20
)

// File is one payload, complete or not. It is written by appending and read
// at offsets.
type File struct {
	dir       *Dir
	name      string
	f         *os.File
	sizeBytes int64
	validator string
}

// File opens the payload called name, empty when there is none.
func (d *Dir) File(name string) (*File, error) {
	f, err := d.open(name, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return nil, err
	}
	c := &File{dir: d, name: name, f: f}
	if err := c.load(); err != nil {
		f.Close() //nolint:errcheck // nothing was written
		return nil, err
	}
	return c, nil
}

// ReusableBytes is how much of a payload of sizeBytes need not be fetched again,
// as far as can be said without reading it: all of it, or a beginning that the
// server can be asked to continue.
func (d *Dir) ReusableBytes(name string, sizeBytes int64) (int64, error) {
	have, err := d.lengthBytes(name)
	if err != nil || have == sizeBytes {
		return have, err
	}
	validator, err := d.lengthBytes(name + validatorSuffix)
	if err != nil || validator == 0 || have > sizeBytes {
		return 0, err
	}
	return have, nil
}

// lengthBytes is the size of a file in the folder, 0 without one.
func (d *Dir) lengthBytes(name string) (int64, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(d.folder.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return 0, nil
	}
	if err != nil {
		return 0, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	return st.Size, nil
}

func (c *File) load() error {
	size, err := c.f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	c.sizeBytes = size
	v, err := c.dir.open(c.name+validatorSuffix, unix.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer v.Close()
	text, err := io.ReadAll(io.LimitReader(v, maxValidatorBytes+1))
	// The beginning of a longer one may be that of another as well.
	if err == nil && len(text) <= maxValidatorBytes {
		c.validator = string(text)
	}
	return err
}

// Len is how many bytes are there.
func (c *File) Len() int64 { return c.sizeBytes }

// Validator is what the server called the file these bytes are from, "" when
// it gave no name that can be relied on.
func (c *File) Validator() string { return c.validator }

// Begin prepares for bytes of the file that the server calls validator: with
// keep they continue what is there, else they replace it.
func (c *File) Begin(validator string, keep bool) error {
	if !keep {
		if err := c.Truncate(); err != nil {
			return err
		}
	}
	if keep && validator == c.validator {
		return nil
	}
	// Without O_TRUNC: a file is emptied only once it is known to be ours.
	v, err := c.dir.open(c.name+validatorSuffix, unix.O_WRONLY|unix.O_CREAT)
	if err != nil {
		return err
	}
	if err = v.Truncate(0); err == nil {
		_, err = v.WriteString(validator)
	}
	if err = errors.Join(noSpace(err), v.Close()); err != nil {
		return err
	}
	c.validator = validator
	return nil
}

// Truncate forgets every byte.
func (c *File) Truncate() error {
	if err := c.f.Truncate(0); err != nil {
		return err
	}
	_, err := c.f.Seek(0, io.SeekStart)
	c.sizeBytes = 0
	return err
}

// Write appends. What is written is on its way to the disk soon: who flushes
// the file system later, as every update does, would otherwise wait for all of
// the payload.
func (c *File) Write(p []byte) (int, error) {
	n, err := c.f.Write(p)
	begin := c.sizeBytes &^ (writebackBytes - 1)
	c.sizeBytes += int64(n)
	if c.sizeBytes-begin >= writebackBytes {
		// Nothing depends on it, and where it is not possible nothing is lost.
		_ = unix.SyncFileRange(int(c.f.Fd()), begin, c.sizeBytes-begin, unix.SYNC_FILE_RANGE_WRITE)
	}
	return n, noSpace(err)
}

// ReadAt reads from anywhere in the file.
func (c *File) ReadAt(p []byte, offset int64) (int, error) { return c.f.ReadAt(p, offset) }

// Close keeps the file for a later run.
func (c *File) Close() error { return c.f.Close() }
