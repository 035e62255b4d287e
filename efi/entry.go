// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Entry is one thing in the folder, whoever it belongs to.
type Entry struct {
	File      string
	Name      Name  // valid when Ours
	Ours      bool  // a regular file whose name is one of our product's entries
	SizeBytes int64 // of a regular file, otherwise 0
	// Damaged tells why one of our files cannot start: it is empty, not a PE
	// image, or shorter than its headers say. Nil when it is whole, and for
	// what is not ours. A whole file may still hold wrong bytes.
	Damaged error
	// SortKey and OSVersion are IMAGE_ID ?: ID and IMAGE_VERSION ?: VERSION ?:
	// VERSION_ID ?: BUILD_ID of .osrel, as systemd-boot reads them. "" without.
	SortKey, OSVersion string
	Bootable           bool // systemd-boot lists it, be it damaged or not
}

// entry looks at one name in the folder. fs.ErrNotExist when it is gone.
func (p *Partition) entry(d folder, file string) (Entry, error) {
	e := Entry{File: file}
	stat, err := d.stat(file)
	if err != nil {
		return Entry{}, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return e, nil
	}
	e.SizeBytes = stat.Size
	e.Name, e.Ours = ParseName(p.product, file)
	if !e.Ours && !isListed(file) {
		return e, nil
	}
	f, err := d.openFile(file, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, err
	}
	if err == nil {
		defer f.Close()
		err = e.readFile(f)
	}
	if e.Ours {
		e.Damaged = err
	}
	return e, nil
}

// readFile fills in what the image says and returns why it cannot start.
func (e *Entry) readFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	e.SizeBytes = info.Size()
	return e.read(f)
}

func (e *Entry) read(r io.ReaderAt) error {
	i, err := readImage(r, e.SizeBytes)
	if err != nil {
		return err
	}
	l := list(r, e.File, i)
	e.Bootable, e.SortKey, e.OSVersion = l.bootable, l.sortKey, l.version
	return i.check(e.SizeBytes)
}
