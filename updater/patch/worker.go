// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxFrameWindowBytes is more than window and piece can have together,
// rounded up to the power of two that zstd chooses.
const maxFrameWindowBytes = 128 << 20

// worker rebuilds one piece after the other in the same memory.
type worker struct {
	file, base           io.ReaderAt
	zstd                 *zstd.Decoder // nil when err is not
	err                  error
	frame, window, piece []byte
}

func newWorker(file, base io.ReaderAt, jobs []job) *worker {
	w := &worker{file: file, base: base}
	var frame, window, piece int64
	for _, j := range jobs {
		frame, window, piece = max(frame, j.FrameBytes), max(window, j.WindowBytes()), max(piece, j.Bytes)
	}
	w.frame, w.window, w.piece = make([]byte, frame), make([]byte, window), make([]byte, 0, piece)
	w.zstd, w.err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxFrameWindowBytes),
		zstd.WithDecodeAllCapLimit(true))
	return w
}

func (w *worker) close() {
	if w.zstd != nil {
		w.zstd.Close()
	}
}

// rebuild returns the piece, which is good until the next call.
func (w *worker) rebuild(j job) ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	frame := w.frame[:j.FrameBytes]
	if err := readAll(w.file, frame, j.frameOffset, ErrMalformed); err != nil {
		return nil, fmt.Errorf("patch: frame of piece %d: %w", j.number, err)
	}
	window := w.window[:0]
	for _, part := range j.Window {
		next := window[len(window):][:part.Bytes]
		if err := readAll(w.base, next, part.Offset, ErrBase); err != nil {
			return nil, fmt.Errorf("base: window of piece %d: %w", j.number, err)
		}
		window = window[:len(window)+len(next)]
	}
	if err := checkFrame(frame, j.Bytes); err != nil {
		return nil, fmt.Errorf("patch: frame of piece %d: %w", j.number, err)
	}
	piece, err := w.decode(frame, window, j.Bytes)
	if err != nil {
		return nil, fmt.Errorf("patch: frame of piece %d: %w", j.number, err)
	}
	return piece, nil
}

func (w *worker) decode(frame, window []byte, sizeBytes int64) ([]byte, error) {
	if err := w.zstd.ResetWithOptions(nil, zstd.WithDecoderDictRaw(0, window)); err != nil {
		return nil, err
	}
	// Capped, so that no frame can have more.
	piece, err := w.zstd.DecodeAll(frame, w.piece[:0:sizeBytes])
	switch {
	case errors.Is(err, zstd.ErrCRCMismatch):
		return nil, fmt.Errorf("base: %w: %w", ErrBase, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	case int64(len(piece)) != sizeBytes:
		return nil, fmt.Errorf("%w: %d bytes of %d", ErrMalformed, len(piece), sizeBytes)
	}
	return piece, nil
}

// checkFrame demands of a frame's header what the package comment does.
func checkFrame(frame []byte, sizeBytes int64) error {
	var h zstd.Header
	if err := h.Decode(frame); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	size := uint64(sizeBytes) //nolint:gosec // G115: not negative
	if h.Skippable || !h.HasFCS || h.FrameContentSize != size || !h.HasCheckSum || h.DictionaryID != 0 {
		return fmt.Errorf("%w: not of %d bytes with a checksum and without a dictionary", ErrMalformed, sizeBytes)
	}
	return nil
}

// readAll fills b. The end of the file before that is the error given.
func readAll(r io.ReaderAt, b []byte, offset int64, short error) error {
	n, err := r.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: ends too early", short)
	}
	return err
}
