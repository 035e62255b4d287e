// SPDX-License-Identifier: LGPL-2.1-or-later

package makepatch

import (
	"context"
	"io"
)

// Compress writes the compressed image to out: a zstd file that package
// patch's Decompress takes. Level and workers are as in Options; progress,
// when not nil, is told how many bytes of the image have been read.
func Compress(ctx context.Context, image Source, level, workers int, progress func(doneBytes int64), out io.Writer) error {
	panic("follows")
}
