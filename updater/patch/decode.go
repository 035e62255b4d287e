// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Open reads and checks the header of a patch whose file has been verified.
// An error that wraps ErrMalformed names the field that is wrong; any other
// comes from reading the file. The file is read again by Rebuild; closing it
// is for the caller.
func Open(file io.ReaderAt, sizeBytes int64) (*Patch, error) {
	file = io.NewSectionReader(file, 0, sizeBytes)
	raw, err := readHeader(file)
	if err != nil {
		return nil, err
	}
	h, err := decodeHeader(raw)
	if err != nil {
		return nil, err
	}
	area, err := h.check()
	if err != nil {
		return nil, err
	}
	frames := int64(len(raw))
	for _, p := range h.Pieces {
		frames += p.FrameBytes
	}
	if frames != sizeBytes {
		return nil, malformed("frames", "end at byte %d of a file of %d", frames, sizeBytes)
	}
	return &Patch{file: file, header: h, headerBytes: int64(len(raw)), area: area}, nil
}

// readHeader reads the whole header once its beginning is what it must be.
func readHeader(file io.ReaderAt) ([]byte, error) {
	prefix := make([]byte, prefixBytes)
	if err := readHeaderAt(file, prefix, 0); err != nil {
		return nil, err
	}
	if string(prefix[:len(magic)]) != magic {
		return nil, malformed("magic", "%q", prefix[:len(magic)])
	}
	if version := binary.LittleEndian.Uint32(prefix[len(magic):]); version != formatVersion {
		return nil, malformed("format version", "%d is not %d", version, formatVersion)
	}
	headerBytes := binary.LittleEndian.Uint32(prefix[len(magic)+4:])
	if headerBytes < uint32(prefixBytes) || headerBytes > maxHeaderBytes {
		return nil, malformed("header length", "%d is not from %d to %d", headerBytes, prefixBytes, maxHeaderBytes)
	}
	raw := make([]byte, headerBytes)
	copy(raw, prefix)
	return raw, readHeaderAt(file, raw[prefixBytes:], int64(prefixBytes))
}

func readHeaderAt(file io.ReaderAt, b []byte, offset int64) error {
	n, err := file.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return malformed("header", "not all there")
	}
	return fmt.Errorf("patch header: %w", err)
}

// decoder takes fields from the beginning of what is left of a header. What
// is not there is zero, and remembered.
type decoder struct {
	rest  []byte
	short bool
}

func decodeHeader(raw []byte) (Header, error) {
	d := decoder{rest: raw[prefixBytes:]}
	h := Header{From: d.version(), To: d.version(), Base: d.image(), Result: d.image()}
	var err error
	if h.Verity, err = d.verity(); err != nil {
		return Header{}, err
	}
	pieces := d.int(4)
	// Before anything of their number is allocated.
	if pieces > maxPieces || pieces > int64(len(d.rest)/minPieceBytes) {
		return Header{}, malformed("number of pieces", "%d in %d bytes", pieces, len(d.rest))
	}
	h.Pieces = make([]Piece, pieces)
	for i := range h.Pieces {
		h.Pieces[i] = d.piece()
	}
	if d.short || len(d.rest) > 0 {
		return Header{}, malformed("header length", "%d bytes are not what is in it", len(raw))
	}
	return h, nil
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.rest) {
		d.short = true
		return make([]byte, n)
	}
	field := d.rest[:n]
	d.rest = d.rest[n:]
	return field
}

// int is a number that must not be negative; one that does not fit is, and
// refused by check.
func (d *decoder) int(n int) int64 {
	var whole [8]byte
	copy(whole[:], d.bytes(n))
	value := binary.LittleEndian.Uint64(whole[:])
	if value > math.MaxInt64 {
		return -1
	}
	return int64(value)
}

func (d *decoder) version() string { return string(d.bytes(int(d.int(1)))) }

func (d *decoder) image() Image {
	i := Image{SizeBytes: d.int(8)}
	copy(i.BLAKE2b[:], d.bytes(len(i.BLAKE2b)))
	return i
}

func (d *decoder) piece() Piece {
	p := Piece{Bytes: d.int(4), FrameBytes: d.int(4)}
	parts := int(d.int(1))
	if parts*partBytes > len(d.rest) {
		d.short = true
		return p
	}
	for range parts {
		p.Window = append(p.Window, Part{Offset: d.int(8), Bytes: d.int(4)})
	}
	return p
}

func (d *decoder) verity() (*Verity, error) {
	switch present := d.int(1); present {
	case 0:
		return nil, nil //nolint:nilnil // there is none, and that is no error
	case 1:
		v := &Verity{Offset: d.int(8)}
		copy(v.Superblock[:], d.bytes(len(v.Superblock)))
		v.ParityBytes = int(d.int(1))
		return v, nil
	default:
		return nil, malformed("dm-verity area", "%d says neither yes nor no", present)
	}
}
