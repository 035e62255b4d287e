// SPDX-License-Identifier: LGPL-2.1-or-later

package makepatch

import (
	"context"
	"fmt"
	"io"
	"math/bits"
	"strconv"

	"github.com/clipos/updater/updater/patch"
)

// maxCompressWorkers bounds zstd's memory: each thread has a window, tables
// and a job of several windows.
const maxCompressWorkers = 4

// Compress writes the compressed image to out: a zstd file that package
// patch's Decompress takes. Level and workers are as in Options, but no more
// than four; progress, when not nil, is told how many bytes of the image have
// been read, by one goroutine.
func Compress(ctx context.Context, image Source, level, workers int, progress func(doneBytes int64), out io.Writer) error {
	level, workers, err := defaults(level, workers)
	if err != nil {
		return err
	}
	if err := checkProgram(ctx); err != nil {
		return err
	}
	in := &counter{from: image.reader(), progress: progress}
	err = runZstd(ctx, nil, in, out, "-q", "-c", "-"+strconv.Itoa(level), "--check",
		"--long="+strconv.Itoa(bits.Len(patch.MaxCompressedWindowBytes-1)),
		// One thread splits the work as many do, and makes the same file.
		"-T"+strconv.Itoa(min(workers, maxCompressWorkers)),
		"--stream-size="+strconv.FormatInt(image.SizeBytes, 10))
	if err == nil && in.bytes != image.SizeBytes {
		err = fmt.Errorf("image: ends after %d bytes of %d", in.bytes, image.SizeBytes)
	}
	return err
}

// counter tells how much has been read.
type counter struct {
	from     io.Reader
	bytes    int64
	progress func(doneBytes int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.bytes += int64(n)
	if c.progress != nil && n > 0 {
		c.progress(c.bytes)
	}
	return n, err
}
