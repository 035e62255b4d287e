// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"context"
	"io"
)

// rebuild is a result in the making. Worker i of n rebuilds pieces i, i+n,
// i+2n, …; the caller takes them in order, one from each worker in turn. A
// worker goes on when its piece has been written: it has memory for one.
type rebuild struct {
	patch *Patch
	base  io.ReaderAt
	area  *area // nil when nothing is to be computed
	write func(p []byte) error
}

// job is a piece and where it is.
type job struct {
	Piece
	number                    int
	resultOffset, frameOffset int64
}

func (p *Patch) jobs() []job {
	jobs := make([]job, 0, len(p.header.Pieces))
	next := job{frameOffset: p.headerBytes}
	for _, piece := range p.header.Pieces {
		next.Piece = piece
		jobs = append(jobs, next)
		next.number++
		next.resultOffset += piece.Bytes
		next.frameOffset += piece.FrameBytes
		if p.area != nil && p.area.piecesBefore == next.number {
			next.resultOffset += p.area.bytes()
		}
	}
	return jobs
}

// line leads from one worker to the caller, and back.
type line struct {
	pieces chan rebuilt
	free   chan struct{}
}

type rebuilt struct {
	piece []byte
	err   error
}

func newLine() line { return line{make(chan rebuilt), make(chan struct{})} }

// work rebuilds every n-th piece, from the first on.
func (r *rebuild) work(ctx context.Context, jobs []job, first, n int, l line) {
	w := newWorker(r.patch.file, r.base, jobs)
	defer w.close()
	for i := first; i < len(jobs); i += n {
		piece, err := w.rebuild(jobs[i])
		if err == nil && r.area != nil {
			r.area.hash(jobs[i].resultOffset, piece)
		}
		select {
		case l.pieces <- rebuilt{piece, err}:
		case <-ctx.Done():
			return
		}
		select {
		case <-l.free:
		case <-ctx.Done():
			return
		}
	}
}

// pass writes the next piece, and the dm-verity area where it follows.
func (r *rebuild) pass(ctx context.Context, j job, l line) error {
	var next rebuilt
	select {
	case next = <-l.pieces:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if next.err != nil {
		return next.err
	}
	// A worker that is done and a context that is, too: select takes either.
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if r.area != nil {
		r.area.correct(j.resultOffset, next.piece)
	}
	if err := r.write(next.piece); err != nil {
		return err
	}
	select {
	case l.free <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if r.area != nil && r.area.piecesBefore == j.number+1 {
		return r.area.writeTo(r.write)
	}
	return nil
}
