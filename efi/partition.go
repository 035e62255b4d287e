// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Options tell a real machine from a fake system in a folder.
type Options struct {
	// RealESP demands that the folder lies on a mounted FAT file system.
	RealESP bool
	// VariablesDir holds one file for each EFI variable, as efivarfs does. "" is none.
	VariablesDir string
}

// Partition is the folder of boot entries, EFI/Linux in the EFI system
// partition, of which only one product's entries are ever changed. It keeps
// nothing open and no state.
type Partition struct {
	dir, product string
	options      Options
	// before is called before each change of the disk, of the file when it
	// concerns one, and stops it by an error. Tests cut the power in it.
	before func(change, file string) error
}

// New returns the folder dir, in which the product's entries are ours.
func New(dir, product string, o Options) *Partition {
	nothing := func(string, string) error { return nil }
	return &Partition{dir: filepath.Clean(dir), product: product, options: o, before: nothing}
}

// mount is what the kernel says about the file system of the folder.
type mount struct {
	fat, readOnly         bool
	rootDevice            bool // it is the one of "/"
	freeBytes, blockBytes int64
}

// open opens the folder and makes sure that it is the partition's.
func (p *Partition) open() (folder, mount, error) {
	f, err := os.OpenFile(p.dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		for _, absent := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP} {
			if errors.Is(err, absent) {
				return folder{}, mount{}, fmt.Errorf("%w: %w", ErrNotMounted, err)
			}
		}
		return folder{}, mount{}, err
	}
	d := folder{f}
	m, err := d.mount()
	if err == nil {
		err = m.check(p.options.RealESP)
	}
	if err != nil {
		return folder{}, mount{}, errors.Join(fmt.Errorf("folder %s: %w", p.dir, err), f.Close())
	}
	return d, m, nil
}

func (d folder) mount() (mount, error) {
	var s unix.Statfs_t
	var here, root unix.Stat_t
	err := errors.Join(unix.Fstatfs(d.fd(), &s), unix.Fstat(d.fd(), &here), unix.Stat("/", &root))
	if err != nil {
		return mount{}, err
	}
	blockBytes := int64(s.Bsize) //nolint:unconvert // 32 bits on some architectures
	return mount{
		fat:        s.Type == unix.MSDOS_SUPER_MAGIC,
		readOnly:   s.Flags&unix.ST_RDONLY != 0,
		rootDevice: here.Dev == root.Dev,
		freeBytes:  int64(s.Bavail) * blockBytes, //nolint:gosec // no disk has 2^63 bytes
		blockBytes: blockBytes,
	}, nil
}

// check accepts a file system that can be written and, of a real machine, is a
// FAT one of its own: a folder of the same name on the root file system,
// beneath a partition that is not mounted, would take entries that never boot.
func (m mount) check(realESP bool) error {
	switch {
	case m.readOnly:
		return fmt.Errorf("%w: mounted read-only", ErrNotMounted)
	case realESP && m.rootDevice:
		return fmt.Errorf("%w: part of the root file system", ErrNotMounted)
	case realESP && !m.fat:
		return fmt.Errorf("%w: not a FAT file system", ErrNotMounted)
	}
	return nil
}

// change does one thing to the disk.
func (p *Partition) change(what, file string, do func() error) error {
	if err := p.before(what, file); err != nil {
		return err
	}
	return do()
}

// flush makes all changes of the folder durable. fsync(2) of a FAT folder
// writes its entries and the allocation table and ends with a flush of the drive
// (fat_file_fsync). syncfs(2) writes all else, such as the count of free
// clusters, and only waits for it: Linux's FAT has no sync_fs, so the drive is
// not asked to flush. An inode that a rename changed is therefore durable only by
// an fsync(2) of that file, which whoever renames adds; if any of these calls is
// needless it is syncfs.
func (p *Partition) flush(d folder) error {
	err := p.change("flush folder", "", d.Sync)
	if err == nil {
		err = p.change("flush file system", "", func() error { return unix.Syncfs(d.fd()) })
	}
	if err != nil {
		return fmt.Errorf("folder %s: flush: %w", p.dir, err)
	}
	return nil
}
