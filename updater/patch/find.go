// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/clipos/updater/updater/internal/fec"
	"github.com/clipos/updater/updater/internal/verity"
)

// maxGapBytes is how far behind the file system a superblock is looked for:
// mksquashfs pads to 4 KiB, and whoever appends the superblock may align it.
const maxGapBytes = 1 << 20

// FindVerity looks for a dm-verity area that Rebuild would compute to the very
// bytes it has in the image, and returns it with its length in bytes; nil and
// 0 when there is none. It reads the image once and compares. Memory: that
// of the area, and 8 MiB.
func FindVerity(ctx context.Context, image io.ReaderAt, sizeBytes int64) (*Verity, int64, error) {
	image = io.NewSectionReader(image, 0, sizeBytes)
	v, err := findSuperblock(image, sizeBytes)
	if err != nil || v == nil {
		return nil, 0, err
	}
	l, err := v.place()
	if err != nil || v.Offset+l.bytes() > sizeBytes {
		return nil, 0, nil //nolint:nilerr // no area that Rebuild can compute
	}
	if l, err = l.findParity(image, sizeBytes); err != nil {
		return nil, 0, err
	}
	if l, err = l.compute(ctx, image); err != nil || l == nil {
		return nil, 0, err
	}
	return l.verity, l.bytes(), nil
}

// findSuperblock looks for a superblock behind the file system at the
// beginning; nil where there is none.
func findSuperblock(image io.ReaderAt, sizeBytes int64) (*Verity, error) {
	_, end, err := verity.FileSystemBytes(image)
	switch {
	case errors.Is(err, verity.ErrInvalid) || err == nil && end >= sizeBytes:
		return nil, nil //nolint:nilnil // there is none, and that is no error
	case err != nil:
		return nil, err
	}
	gap := make([]byte, min(maxGapBytes, sizeBytes-end))
	if err := readAll(image, gap, end, io.ErrUnexpectedEOF); err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	for at := -end & (verity.SuperblockAlignment - 1); at+verity.SuperblockBytes <= int64(len(gap)); at += verity.SuperblockAlignment {
		v := &Verity{Offset: end + at, Superblock: [verity.SuperblockBytes]byte(gap[at:])}
		if _, err := verity.DecodeSuperblock(v.Superblock[:]); err == nil {
			return v, nil
		}
	}
	return nil, nil //nolint:nilnil // as above
}

// findParity is the layout with the error correction that stands behind the
// tree, or without when there is none: it tries each number of parity bytes on
// the first codeword.
func (l *layout) findParity(image io.ReaderAt, sizeBytes int64) (*layout, error) {
	for parity := fec.MinParityBytes; parity <= fec.MaxParityBytes; parity++ {
		with := *l.verity
		with.ParityBytes = parity
		candidate, err := with.place()
		if err != nil || with.Offset+candidate.bytes() > sizeBytes {
			continue
		}
		same, err := candidate.compareFirst(image)
		if err != nil {
			return nil, err
		}
		if same {
			return candidate, nil
		}
	}
	return l, nil
}

// compareFirst computes the first codeword and compares its parity.
func (l *layout) compareFirst(image io.ReaderAt) (bool, error) {
	parity := l.verity.ParityBytes
	begin := l.verity.Offset + l.bytes() - l.parityBytes
	want, got := make([]byte, parity), make([]byte, 0, parity)
	if err := readAll(image, want, begin, io.ErrUnexpectedEOF); err != nil {
		return false, err
	}
	first := make([]byte, 1)
	e := fec.NewEncoder(1, 1, parity)
	for at := int64(0); at < l.dataBytes+l.treeBytes; at += l.parityBytes / int64(parity) {
		offset := at
		if at >= l.dataBytes {
			offset = begin - l.treeBytes + at - l.dataBytes
		}
		if err := readAll(image, first, offset, io.ErrUnexpectedEOF); err != nil {
			return false, err
		}
		e.Write(first)
	}
	err := e.Parity(func(p []byte) error { got = append(got, p...); return nil })
	return bytes.Equal(got, want), err
}

// errOther ends a comparison.
var errOther = errors.New("other bytes")

// compute computes the area as Rebuild does and compares it with the image. It
// is the layout of as much as is the same: the area, or without its error
// correction, or nil.
func (l *layout) compute(ctx context.Context, image io.ReaderAt) (*layout, error) {
	a := newArea(l)
	if err := a.passData(ctx, image); err != nil {
		return nil, err
	}
	at := l.verity.Offset
	err := a.writeTo(func(p []byte) error {
		there := make([]byte, len(p))
		if err := readAll(image, there, at, io.ErrUnexpectedEOF); err != nil {
			return err
		}
		if !bytes.Equal(p, there) {
			return errOther
		}
		at += int64(len(p))
		return nil
	})
	switch {
	case err == nil:
		return l, nil
	case !errors.Is(err, errOther):
		return nil, fmt.Errorf("image: %w", err)
	case l.parityBytes > 0 && at >= l.verity.Offset+l.bytes()-l.parityBytes:
		without := *l.verity
		without.ParityBytes = 0
		return without.place()
	}
	return nil, nil //nolint:nilnil // another tree, and that is no error
}

// passData passes the data as it is in the image.
func (a *area) passData(ctx context.Context, image io.ReaderAt) error {
	buffer := make([]byte, 8<<20) // whole blocks of any size
	for at := int64(0); at < a.dataBytes; at += int64(len(buffer)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buffer[:min(int64(len(buffer)), a.dataBytes-at)]
		if err := readAll(image, part, at, io.ErrUnexpectedEOF); err != nil {
			return fmt.Errorf("image: %w", err)
		}
		a.hash(at, part)
		a.correct(at, part)
	}
	return nil
}
