// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"context"
	"io"
	"sync"
)

// Patch is a patch whose header has been read and checked.
type Patch struct {
	file        io.ReaderAt
	header      Header
	headerBytes int64
	area        *layout // nil when nothing is to be computed
}

// Header is what the patch says of itself. It is shared, not to be changed.
func (p *Patch) Header() Header { return p.header }

// Rebuild hands the result to write, in order, in slices of any length that
// write must not keep or change; together they have Header().Result.SizeBytes
// bytes, or there is an error. That they are the right bytes is for the caller
// to verify. base is the image the patch was made from, at least up to
// Header().Base.SizeBytes; bytes behind are not read.
//
// Up to workers pieces are rebuilt at the same time, at least one; write is
// called from the calling goroutine, one call after the other. Rebuild may be
// called again, for instance once to verify and once to write.
//
// Memory: for each worker a window, a piece and its frame (MaxWindowBytes and
// twice MaxPieceBytes at most, 24 MiB and twice 8 MiB in the patches of
// updater-release), and the dm-verity area of the result, MaxVerityBytes at
// most, 16 MiB for each GiB of an image of 4 KiB blocks.
//
// Errors: ErrMalformed, ErrBase, those of base, file and write, and that of
// the context.
func (p *Patch) Rebuild(ctx context.Context, base io.ReaderAt, workers int, write func(p []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	r := &rebuild{patch: p, base: io.NewSectionReader(base, 0, p.header.Base.SizeBytes), write: write}
	if p.area != nil {
		r.area = newArea(p.area)
	}
	jobs := p.jobs()
	lines := make([]line, max(1, min(workers, len(jobs))))
	for i := range lines {
		lines[i] = newLine()
		running.Go(func() { r.work(ctx, jobs, i, len(lines), lines[i]) })
	}
	for i, job := range jobs {
		if err := r.pass(ctx, job, lines[i%len(lines)]); err != nil {
			return err
		}
	}
	return nil
}
