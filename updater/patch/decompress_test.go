// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// content is a little more than a window of 1 MiB, and compressible.
func content() []byte {
	part := random(300_000, 1)
	return bytes.Join([][]byte{part, part, part, make([]byte, 100_000), part, part}, []byte("and"))
}

func decompressAll(tb testing.TB, file []byte, maxBytes int64) ([]byte, int64, error) {
	tb.Helper()
	var image []byte
	n, err := Decompress(tb.Context(), bytes.NewReader(file), maxBytes, func(p []byte) error { image = append(image, p...); return nil })
	return image, n, err
}

func TestDecompress(t *testing.T) {
	want := content()
	for name, file := range map[string][]byte{
		"one frame":         frame(t, nil, want, zstd.WithWindowSize(1<<20)),
		"window of 32 MiB":  frame(t, nil, want, zstd.WithWindowSize(MaxCompressedWindowBytes), zstd.WithSingleSegment(false)),
		"two frames":        append(frame(t, nil, want[:1000]), frame(t, nil, want[1000:])...),
		"of unknown length": streamed(t, want),
	} {
		image, n, err := decompressAll(t, file, int64(len(want)))
		if err != nil || n != int64(len(want)) || !bytes.Equal(image, want) {
			t.Errorf("%s: %d bytes, error %v", name, n, err)
		}
	}
}

func TestDecompressRefuses(t *testing.T) {
	want := content()
	file := frame(t, nil, want, zstd.WithWindowSize(1<<20))
	flipped := bytes.Clone(file)
	flipped[len(flipped)-1] ^= 1
	for name, tc := range map[string]struct {
		file     []byte
		maxBytes int64
		want     error
	}{
		"garbage":             {random(10_000, 1), 1 << 30, ErrMalformed},
		"cut":                 {file[:len(file)-1], 1 << 30, ErrMalformed},
		"cut in the middle":   {file[:len(file)/2], 1 << 30, ErrMalformed},
		"another checksum":    {flipped, 1 << 30, ErrMalformed},
		"garbage behind":      {append(bytes.Clone(file), "garbage"...), 1 << 30, ErrMalformed},
		"one byte too many":   {file, int64(len(want)) - 1, ErrTooLarge},
		"nothing is too much": {file, 0, ErrTooLarge},
		"bomb":                {frame(t, nil, make([]byte, 64<<20)), 1 << 20, ErrTooLarge},
		"window of 64 MiB":    {largeWindow(t), 1 << 30, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			image, n, err := decompressAll(t, tc.file, tc.maxBytes)
			wantError(t, err, tc.want, "compressed image")
			if n != int64(len(image)) || n > tc.maxBytes {
				t.Errorf("%d bytes written, %d said, %d allowed", len(image), n, tc.maxBytes)
			}
		})
	}
}

// largeWindow has a frame that demands twice the window that is allowed.
func largeWindow(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	e, err := zstd.NewWriter(&out, zstd.WithWindowSize(2*MaxCompressedWindowBytes), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write(make([]byte, 3*MaxCompressedWindowBytes)); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDecompressErrors(t *testing.T) {
	file := frame(t, nil, content(), zstd.WithWindowSize(1<<20))
	nowhere := func([]byte) error { return nil }

	broken := io.MultiReader(bytes.NewReader(file[:len(file)/2]), iotest.ErrReader(iotest.ErrTimeout))
	if _, err := Decompress(t.Context(), broken, 1<<30, nowhere); !errors.Is(err, iotest.ErrTimeout) || errors.Is(err, ErrMalformed) {
		t.Errorf("got error %v, want that of reading", err)
	}
	full := errors.New("disk full")
	if _, err := Decompress(t.Context(), bytes.NewReader(file), 1<<30, func([]byte) error { return full }); !errors.Is(err, full) {
		t.Errorf("got error %v, want that of writing", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n, err := Decompress(ctx, bytes.NewReader(file), 1<<30, func([]byte) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || n == 0 || n == int64(len(content())) {
		t.Errorf("got error %v after %d bytes, want %v after some", err, n, context.Canceled)
	}
}

// TestDecompressMemory holds Decompress to the memory it promises.
func TestDecompressMemory(t *testing.T) {
	var file bytes.Buffer
	e, err := zstd.NewWriter(&file, zstd.WithWindowSize(MaxCompressedWindowBytes), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	part := random(8<<20, 1)
	for range 16 {
		if _, err := e.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	before := heapBytes()
	var most, written uint64
	if _, err := Decompress(t.Context(), &file, 1<<30, func(p []byte) error {
		if written += uint64(len(p)); written>>23 > (written-uint64(len(p)))>>23 {
			most = max(most, heapBytes())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if used := int64(most) - int64(before); used > 2*MaxCompressedWindowBytes+8<<20 {
		t.Errorf("%d bytes of memory, about %d are promised", used, 2*MaxCompressedWindowBytes)
	}
}
