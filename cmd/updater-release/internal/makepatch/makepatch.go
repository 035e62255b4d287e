// SPDX-License-Identifier: LGPL-2.1-or-later

// Package makepatch makes the files that spare machines from fetching a core
// image whole: the patch from an earlier image, whose format package patch
// describes, and the compressed image.
//
// # Program
//
// Both are made with the zstd program, 1.5 or later: the encoder in pure Go
// does not find what moved within a long raw dictionary, and its patches are
// ten times as large.
//
// # Choices
//
// Pieces have 8 MiB. The window of each is what of the base is around the same
// offset, 8 MiB more on each side; or where the most of its content comes from,
// and parts of the base from which the rest does, 24 MiB in all, less where a
// large hash tree leaves less of the memory that machines take (from images of
// 3.7 GiB on). Samples of a rolling hash tell where that is. A hash tree and its error correction, when
// the image has them as veritysetup makes them, are left to the client to
// compute.
//
// The same images, versions and level, and the same zstd, give the same bytes,
// whatever the number of workers.
package makepatch

import (
	"context"
	"fmt"
	"io"
	"runtime"
)

// Source is an image to read.
type Source struct {
	io.ReaderAt
	SizeBytes int64
}

func (s Source) reader() io.Reader { return io.NewSectionReader(s, 0, s.SizeBytes) }

// Options are what a patch is made of.
type Options struct {
	// From and To are the versions of Base and Result.
	From, To string
	// Base is the image that machines have, Result the one they are to have.
	Base, Result Source
	// Level is zstd's, 1 to 19; 0 means DefaultLevel.
	Level int
	// Workers is how many pieces are made at the same time; 0 means one for
	// each processor. Each takes about 200 MiB at the highest level, zstd's
	// memory included.
	Workers int
	// MemoryBytes is what machines take to rebuild the result; 0 means
	// patch.MaxRebuildBytes. Where no window would be left that is worth a
	// patch, Make fails at once, with patch.ErrMemory.
	MemoryBytes int64
	// Progress, when not nil, is told how many bytes of Result are done, from
	// the goroutine that called Make.
	Progress func(doneBytes int64)
}

// DefaultLevel is the compression level of patches and compressed images
// where none is given.
const DefaultLevel = 19

// Stats say what was made.
type Stats struct {
	// FileBytes is the size of the file.
	FileBytes int64
	// Pieces is how many there are; MovedPieces of them refer to other parts
	// of the base than those around the same offset, because content moved.
	Pieces, MovedPieces int
	// ComputedBytes of the result are not in the patch: hash tree and error
	// correction.
	ComputedBytes int64
}

// Make writes the patch that makes Result of Base to out, from its present
// offset. On an error, what is in out is of no use.
func Make(ctx context.Context, o Options, out io.WriteSeeker) (Stats, error) {
	level, workers, err := defaults(o.Level, o.Workers)
	if err != nil {
		return Stats{}, err
	}
	if err := checkProgram(ctx); err != nil {
		return Stats{}, err
	}
	p, err := makePlan(ctx, o)
	if err != nil {
		return Stats{}, err
	}
	m := &maker{options: o, level: level, plan: p, out: out}
	if err := m.begin(); err != nil {
		return Stats{}, err
	}
	if err := inOrder(ctx, workers, len(p.header.Pieces), m.makeFrame, m.take); err != nil {
		return Stats{}, err
	}
	return m.finish()
}

func defaults(level, workers int) (int, int, error) {
	if level < 0 || level > 19 {
		return 0, 0, fmt.Errorf("compression level %d is not from 1 to 19", level)
	}
	if level == 0 {
		level = DefaultLevel
	}
	if workers <= 0 {
		workers = runtime.NumCPU()
	}
	return level, workers, nil
}

// maker writes the frames of a plan in their order, and the header before
// them when their lengths are known.
type maker struct {
	options Options
	level   int
	plan    *plan
	out     io.WriteSeeker
	// beginOffset is where the patch begins in out.
	beginOffset int64
	next        int
	doneBytes   int64
	stats       Stats
}

// begin leaves room for the header. All but the lengths of frames is known,
// and those take the same room whatever they are.
func (m *maker) begin() error {
	h := &m.plan.header
	for i := range h.Pieces {
		h.Pieces[i].FrameBytes = 1
	}
	room, err := h.AppendTo(nil)
	if err != nil {
		return err
	}
	if m.beginOffset, err = m.out.Seek(0, io.SeekCurrent); err != nil {
		return err
	}
	m.stats = Stats{
		FileBytes: int64(len(room)), Pieces: len(h.Pieces),
		MovedPieces: m.plan.movedPieces, ComputedBytes: m.plan.computedBytes,
	}
	_, err = m.out.Write(make([]byte, len(room)))
	return err
}

// makeFrame may run for several pieces at the same time.
func (m *maker) makeFrame(ctx context.Context, number int) ([]byte, error) {
	piece := m.plan.header.Pieces[number]
	content := make([]byte, piece.Bytes)
	if err := readAll(m.options.Result, content, m.plan.offsets[number]); err != nil {
		return nil, fmt.Errorf("new image: %w", err)
	}
	window := make([]byte, 0, piece.WindowBytes())
	for _, part := range piece.Window {
		window = window[:len(window)+int(part.Bytes)]
		if err := readAll(m.options.Base, window[len(window)-int(part.Bytes):], part.Offset); err != nil {
			return nil, fmt.Errorf("old image: %w", err)
		}
	}
	return compressPiece(ctx, m.level, window, content)
}

func (m *maker) take(frame []byte) error {
	piece := &m.plan.header.Pieces[m.next]
	piece.FrameBytes = int64(len(frame))
	if _, err := m.out.Write(frame); err != nil {
		return err
	}
	m.next++
	m.stats.FileBytes += piece.FrameBytes
	m.doneBytes += piece.Bytes
	if m.options.Progress != nil {
		m.options.Progress(m.doneBytes)
	}
	return nil
}

func (m *maker) finish() (Stats, error) {
	header, err := m.plan.header.AppendTo(nil)
	if err != nil {
		return Stats{}, err
	}
	if _, err := m.out.Seek(m.beginOffset, io.SeekStart); err != nil {
		return Stats{}, err
	}
	if _, err := m.out.Write(header); err != nil {
		return Stats{}, err
	}
	if _, err := m.out.Seek(m.beginOffset+m.stats.FileBytes, io.SeekStart); err != nil {
		return Stats{}, err
	}
	if m.options.Progress != nil {
		m.options.Progress(m.options.Result.SizeBytes)
	}
	return m.stats, nil
}

// readAll fills b; an image that ends before that is an error.
func readAll(r io.ReaderAt, b []byte, offset int64) error {
	_, err := io.ReadFull(io.NewSectionReader(r, offset, int64(len(b))), b)
	return err
}
