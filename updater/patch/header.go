// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"errors"

	"golang.org/x/crypto/blake2b"
)

var (
	// ErrMalformed: the file is not what the format says. A verified file
	// that is malformed was published so.
	ErrMalformed = errors.New("malformed")
	// ErrBase: the base is not the image the patch was made from.
	ErrBase = errors.New("not the image the patch was made from")
	// ErrTooLarge: a compressed image holds more than it may.
	ErrTooLarge = errors.New("too large")
)

// Limits of the format; the package comment has the others.
const (
	MaxPieceBytes  = 16 << 20
	MaxWindowBytes = 64 << 20
	// MaxWindowParts is how many parts of the base a window may have.
	MaxWindowParts = 255
	// MaxVerityBytes is the most that a dm-verity area may take: that of an
	// image of about 16 GiB in blocks of 4 KiB.
	MaxVerityBytes = 256 << 20

	maxHeaderBytes  = 4 << 20
	maxPieces       = 65536
	maxVersionBytes = 64
)

// Header is what a patch says of itself.
type Header struct {
	// From and To are the versions of base and result.
	From, To string
	// Base is the image the patch was made from, Result what it makes of it.
	Base, Result Image
	// Verity is nil where nothing is to be computed.
	Verity *Verity
	// Pieces are in the order of the result.
	Pieces []Piece
}

// Image is a core image: its size in bytes and its digest.
type Image struct {
	SizeBytes int64
	BLAKE2b   [blake2b.Size]byte
}

// Piece is a part of the result that is rebuilt by itself, all in bytes.
type Piece struct {
	// Bytes is its length in the result.
	Bytes int64
	// FrameBytes is the length of its frame in the patch.
	FrameBytes int64
	// Window is what its frame refers to: parts of the base, one behind the
	// other.
	Window []Part
}

// Part is a part of the base, in bytes.
type Part struct{ Offset, Bytes int64 }

// WindowBytes is the length of the window.
func (p Piece) WindowBytes() int64 {
	var sum int64
	for _, part := range p.Window {
		sum += part.Bytes
	}
	return sum
}

// Verity is the part of the result that is computed from the rest of it.
type Verity struct {
	// Offset is where it begins in the result, in bytes.
	Offset int64
	// Superblock is that of dm-verity, as it is in the result.
	Superblock [512]byte
	// ParityBytes are those of a codeword of the error correction, 0 for
	// none. veritysetup(8) calls them roots.
	ParityBytes int
}
