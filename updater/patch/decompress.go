// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"context"
	"io"
)

// MaxCompressedWindowBytes is the largest window a compressed image may need:
// what is kept of it in memory while it is unpacked.
const MaxCompressedWindowBytes = 32 << 20

// Decompress reads a zstd file to its end and hands what it holds to write, in
// order, in slices that write must not keep or change. It returns how many
// bytes that were. When there are more than maxBytes, it ends with ErrTooLarge
// before the first of them too many. Errors: ErrMalformed, ErrTooLarge, those
// of file and write, and that of the context.
//
// Memory: about twice MaxCompressedWindowBytes at most.
func Decompress(ctx context.Context, file io.Reader, maxBytes int64, write func(p []byte) error) (int64, error) {
	panic("follows")
}
