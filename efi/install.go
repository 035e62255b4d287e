// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// copyBytes is what Stage writes between two looks at its context.
const copyBytes = 128 << 10

// Remove removes an entry, or a temporary file, of ours and returns when that
// is durable. One that is missing is no error, and the folder is flushed all
// the same: a run that was killed may have removed it without.
//
// An entry gets its temporary name first. To remove a file is several writes on
// FAT, and a power cut between them leaves a name that leads to a part of the
// file, or to nothing: the loader must not find one.
func (p *Partition) Remove(file string) error {
	n, err := checkName(p.product, file)
	if err != nil {
		return err
	}
	d, _, err := p.open()
	if err != nil {
		return err
	}
	defer d.Close()
	if !n.Temporary {
		if err := p.withdraw(d, file); err != nil {
			return err
		}
		// What an earlier run withdrew and could not remove goes too.
		file += TemporarySuffix
	}
	if err := p.unlink(d, file); err != nil {
		return err
	}
	return p.flush(d)
}

// withdraw durably gives an entry its temporary name, or removes it where a
// full partition has no room for a name.
func (p *Partition) withdraw(d folder, file string) error {
	found, err := d.findRegular(file)
	if err != nil || !found {
		return err
	}
	if err := p.unlink(d, file+TemporarySuffix); err != nil {
		return err
	}
	err = p.rename(d, file, file+TemporarySuffix)
	if errors.Is(err, ErrNoSpace) {
		return p.unlink(d, file)
	}
	return err
}

// unlink removes a regular file of exactly that name, if there is one.
func (p *Partition) unlink(d folder, file string) error {
	found, err := d.findRegular(file)
	if err != nil || !found {
		return err
	}
	return p.change("unlink", file, func() error {
		return pathError("unlink", file, unix.Unlinkat(d.fd(), file, 0))
	})
}

// Stage writes an image under the temporary name of the entry file, flushes it,
// and returns a reader of what the disk holds, which the caller verifies before
// it calls Publish. A temporary file that an earlier run left is replaced.
// ErrNoSpace when the partition is full. After an error there is no temporary
// file.
func (p *Partition) Stage(ctx context.Context, file string, image io.Reader) (io.ReadCloser, error) {
	temporary, err := p.temporaryName(file)
	if err != nil {
		return nil, err
	}
	d, _, err := p.open()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := p.unlink(d, temporary); err != nil {
		return nil, err
	}
	f, err := p.create(d, temporary)
	if err != nil {
		return nil, noSpace(temporary, err)
	}
	if err := p.write(ctx, f, image); err != nil {
		err = errors.Join(noSpace(temporary, err), f.Close())
		return nil, errors.Join(err, p.unlink(d, temporary))
	}
	return f, nil
}

// create makes a file that is not there yet. It stays open until it is
// verified: what is read back is then what was written, not a successor.
func (p *Partition) create(d folder, file string) (*os.File, error) {
	var f *os.File
	err := p.change("create", file, func() (err error) {
		f, err = d.openFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL)
		return err
	})
	return f, err
}

// write fills, flushes and rewinds a new file, and drops it from the page cache.
func (p *Partition) write(ctx context.Context, f *os.File, image io.Reader) error {
	if err := p.fill(ctx, f, image); err != nil {
		return err
	}
	if err := p.change("flush", f.Name(), f.Sync); err != nil {
		return err
	}
	// Clean pages can be dropped, and after fsync(2) all are; the next read
	// comes from the disk. Not O_DIRECT: readers would have to align.
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return err
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

func (p *Partition) fill(ctx context.Context, f *os.File, image io.Reader) error {
	buffer := make([]byte, copyBytes)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := image.Read(buffer)
		if n > 0 {
			write := func() error { _, err := f.Write(buffer[:n]); return err }
			if err := p.change("write", f.Name(), write); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("image: %w", err)
		}
	}
}

// Publish gives a staged file its final name and returns when that is durable.
// It never replaces a file: fs.ErrExist when one of that name is there, in
// whatever letters; fs.ErrNotExist when nothing is staged.
func (p *Partition) Publish(file string) error {
	temporary, err := p.temporaryName(file)
	if err != nil {
		return err
	}
	d, _, err := p.open()
	if err != nil {
		return err
	}
	defer d.Close()
	return p.rename(d, temporary, file)
}

// rename durably gives a regular file another name that no file has. On FAT a
// file's size and place stand beside its name, and the kernel puts them beside
// a new one only when it writes the inode. So the folder is flushed first:
// what a power cut leaves in between is an empty file, which no boot loader
// starts. The file's own flush behind it is what ends that: see flush. The other
// way round the file would have two names for a moment, and who removes one of
// them frees what the other leads to.
func (p *Partition) rename(d folder, from, to string) error {
	return p.renamed(d, from, to, func(f *os.File) error {
		if err := p.flush(d); err != nil {
			return err
		}
		return p.change("flush", to, f.Sync)
	})
}

// renameInUse is rename for an entry that must boot at any moment: it may have
// two names for one, but is never empty. The caller flushes the folder.
func (p *Partition) renameInUse(d folder, from, to string) error {
	return p.renamed(d, from, to, func(f *os.File) error { return p.change("flush", to, f.Sync) })
}

func (p *Partition) renamed(d folder, from, to string, flush func(*os.File) error) error {
	if err := d.checkRename(from, to); err != nil {
		return err
	}
	f, err := d.openFile(from, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	err = p.change("rename", from, func() error { return d.renameNew(from, to) })
	if err == nil {
		err = flush(f)
	}
	return noSpace(to, err)
}

func (d folder) checkRename(from, to string) error {
	found, err := d.findRegular(from)
	if err != nil {
		return err
	}
	if !found {
		return pathError("rename", from, fs.ErrNotExist)
	}
	found, err = d.find(to)
	if err == nil && found {
		err = pathError("rename", to, fs.ErrExist)
	}
	return err
}

// temporaryName returns the name under which the entry file is written.
func (p *Partition) temporaryName(file string) (string, error) {
	n, err := checkName(p.product, file)
	if err == nil && n.Temporary {
		err = fmt.Errorf("file %s: a temporary name: %w", file, errForeign)
	}
	return file + TemporarySuffix, err
}

// noSpace says what it means that the disk is full, which a folder of FAT can
// also be by itself.
func noSpace(file string, err error) error {
	if errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("file %s: %w", file, ErrNoSpace)
	}
	return err
}
