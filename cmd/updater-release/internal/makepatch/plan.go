// SPDX-License-Identifier: LGPL-2.1-or-later

package makepatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/blake2b"

	"github.com/clipos/updater/updater/patch"
)

// pieceBytes is the length of a piece; the last one of a part of the image is
// shorter.
const pieceBytes = 8 << 20

// plan is a header without the lengths of the frames.
type plan struct {
	header patch.Header
	// offsets are those of the pieces in the result.
	offsets                    []int64
	movedPieces                int
	computedBytes, resultBytes int64
	windowBytes                int64
}

func makePlan(ctx context.Context, o Options) (*plan, error) {
	p := &plan{
		header: patch.Header{
			From: o.From, To: o.To,
			Base: patch.Image{SizeBytes: o.Base.SizeBytes}, Result: patch.Image{SizeBytes: o.Result.SizeBytes},
		},
		resultBytes: o.Result.SizeBytes,
	}
	index := newIndex(o.Base.SizeBytes)
	err := together(
		func() error {
			return pass(ctx, "old image", o.Base, &p.header.Base, index.add)
		},
		func() error {
			return pass(ctx, "new image", o.Result, &p.header.Result, func([]byte) {})
		},
		func() (err error) {
			p.header.Verity, p.computedBytes, err = patch.FindVerity(ctx, o.Result, o.Result.SizeBytes)
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	if p.windowBytes, err = windowFor(cmp.Or(o.MemoryBytes, patch.MaxRebuildBytes), p.computedBytes); err != nil {
		return nil, err
	}
	index.finish()
	p.cut()
	return p, p.chooseWindows(ctx, o.Result, index)
}

// together runs functions at the same time.
func together(functions ...func() error) error {
	var running sync.WaitGroup
	failed := make([]error, len(functions))
	for i, f := range functions {
		running.Go(func() { failed[i] = f() })
	}
	running.Wait()
	return errors.Join(failed...)
}

// pass reads an image once, for its digest and whatever else see wants.
func pass(ctx context.Context, name string, s Source, image *patch.Image, see func([]byte)) error {
	digest, err := blake2b.New512(nil)
	if err != nil {
		return err
	}
	reader, buffer := s.reader(), make([]byte, 1<<20)
	var readBytes int64
	for err == nil {
		var n int
		n, err = reader.Read(buffer)
		digest.Write(buffer[:n])
		see(buffer[:n])
		readBytes += int64(n)
		if err == nil {
			err = ctx.Err()
		}
	}
	switch {
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("%s: %w", name, err)
	case readBytes != s.SizeBytes:
		return fmt.Errorf("%s: ends after %d bytes of %d", name, readBytes, s.SizeBytes)
	}
	digest.Sum(image.BLAKE2b[:0])
	return nil
}

// cut makes the pieces, before and behind what is computed.
func (p *plan) cut() {
	if v := p.header.Verity; v != nil {
		p.cutPart(0, v.Offset)
		p.cutPart(v.Offset+p.computedBytes, p.resultBytes)
		return
	}
	p.cutPart(0, p.resultBytes)
}

func (p *plan) cutPart(begin, end int64) {
	for ; begin < end; begin += pieceBytes {
		p.offsets = append(p.offsets, begin)
		p.header.Pieces = append(p.header.Pieces, patch.Piece{Bytes: min(pieceBytes, end-begin)})
	}
}

func (p *plan) chooseWindows(ctx context.Context, result io.ReaderAt, index *index) error {
	buffer := make([]byte, pieceBytes)
	for i := range p.header.Pieces {
		if err := ctx.Err(); err != nil {
			return err
		}
		piece := &p.header.Pieces[i]
		content := buffer[:piece.Bytes]
		if err := readAll(result, content, p.offsets[i]); err != nil {
			return fmt.Errorf("new image: %w", err)
		}
		var moved bool
		piece.Window, moved = chooseWindow(index.find(content), p.offsets[i], piece.Bytes, p.header.Base.SizeBytes, p.windowBytes)
		if moved {
			p.movedPieces++
		}
	}
	return nil
}
