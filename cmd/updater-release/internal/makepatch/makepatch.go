// SPDX-License-Identifier: LGPL-2.1-or-later

// Package makepatch makes the files that spare machines from fetching a core
// image whole: the patch from an earlier image, whose format package patch
// describes, and the compressed image.
//
// Both are made with the zstd program, 1.5 or later: the encoder in pure Go
// does not find what moved within a long raw dictionary. The same inputs and
// options, the number of workers aside, and the same zstd give the same
// bytes.
package makepatch

import (
	"context"
	"io"
)

// Source is an image to read.
type Source struct {
	io.ReaderAt
	SizeBytes int64
}

// Options are what a patch is made of.
type Options struct {
	// From and To are the versions of Base and Result.
	From, To string
	// Base is the image that machines have, Result the one they are to have.
	Base, Result Source
	// Level is zstd's, 1 to 19; 0 means DefaultLevel.
	Level int
	// Workers is how many pieces are made at the same time; 0 means one for
	// each processor. Each takes about 200 MiB, zstd's memory included.
	Workers int
	// Progress, when not nil, is told how many bytes of Result are done; never
	// by two goroutines at once.
	Progress func(doneBytes int64)
}

// DefaultLevel is the compression level of patches and compressed images
// where none is given.
const DefaultLevel = 19

// Stats say what was made.
type Stats struct {
	// FileBytes is the size of the file.
	FileBytes int64
	// Pieces is how many there are; MovedPieces of them have a window
	// elsewhere than at the same offset, because their content moved.
	Pieces, MovedPieces int
	// ComputedBytes of the result are not in the patch: hash tree and error
	// correction.
	ComputedBytes int64
}

// Make writes the patch that makes Result of Base to out, from its present
// offset. It reads Result three times and Base twice. On an error, what is in
// out is of no use.
func Make(ctx context.Context, o Options, out io.WriteSeeker) (Stats, error) {
	panic("follows")
}
