// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
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
	in := &input{ended: ctx.Err, file: file}
	z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(MaxCompressedWindowBytes), zstd.WithDecoderConcurrency(2))
	if err != nil {
		return 0, err
	}
	defer z.Close()
	out := &output{ended: ctx.Err, maxBytes: maxBytes, write: write}
	if _, err = z.WriteTo(out); err == nil {
		return out.bytes, nil
	}
	if failed := in.err.Load(); failed != nil {
		return out.bytes, *failed
	}
	if out.err != nil {
		return out.bytes, out.err
	}
	return out.bytes, fmt.Errorf("compressed image %w: %w", ErrMalformed, err)
}

// input is the compressed file. It remembers why it could not be read: the
// decoder makes errors of its own.
type input struct {
	ended func() error
	file  io.Reader
	err   atomic.Pointer[error] // the decoder reads in a goroutine of its own
}

func (in *input) Read(p []byte) (int, error) {
	if err := in.ended(); err != nil {
		in.err.Store(&err)
		return 0, err
	}
	n, err := in.file.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		in.err.Store(&err)
	}
	return n, err
}

// output is where the image goes.
type output struct {
	ended           func() error
	bytes, maxBytes int64
	write           func(p []byte) error
	err             error
}

func (out *output) Write(p []byte) (int, error) {
	switch out.err = out.ended(); {
	case out.err != nil:
	case int64(len(p)) > out.maxBytes-out.bytes:
		out.err = fmt.Errorf("compressed image %w: more than %d bytes", ErrTooLarge, out.maxBytes)
	default:
		out.err = out.write(p)
	}
	if out.err != nil {
		return 0, out.err
	}
	out.bytes += int64(len(p))
	return len(p), nil
}
