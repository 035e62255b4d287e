// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"errors"
	"io"
	"io/fs"
	"os"
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

// NewEntry returns the entry that an image of sizeBytes will be once it has that
// file name, for [Sort] to say where systemd-boot will list it.
func NewEntry(product, file string, image io.ReaderAt, sizeBytes int64) Entry {
	e := Entry{File: file, SizeBytes: sizeBytes}
	e.Name, e.Ours = ParseName(product, file)
	if err := e.read(image); e.Ours {
		e.Damaged = err
	}
	return e
}

// entry looks at one name in the folder. fs.ErrNotExist when it is gone.
func (p *Partition) entry(d folder, file string) (Entry, error) {
	e := Entry{File: file}
	stat, err := d.stat(file)
	if err != nil {
		return Entry{}, err
	}
	if !isRegular(stat) {
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

// read is readFile for an image of the size that e has.
func (e *Entry) read(r io.ReaderAt) error {
	i, err := readImage(r, e.SizeBytes)
	if err != nil {
		return err
	}
	l := list(r, e.File, i)
	e.Bootable, e.SortKey, e.OSVersion = l.bootable, l.sortKey, l.version
	return i.check(e.SizeBytes)
}
