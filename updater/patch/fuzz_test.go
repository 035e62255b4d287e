// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"bytes"
	"errors"
	"testing"
)

// fuzzVerity is a patch with a dm-verity area whose tree nobody checks.
func fuzzVerity(tb testing.TB) []byte {
	tb.Helper()
	s := newSample(tb)
	v := &Verity{Offset: s.header.Pieces[0].Bytes, ParityBytes: 2}
	copy(v.Superblock[:], "verity\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00")
	copy(v.Superblock[32:], "sha256")
	copy(v.Superblock[64:], []byte{0, 2, 0, 0, 0, 2, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0, 2, 0})
	l, err := v.place()
	if err != nil {
		tb.Fatal(err)
	}
	s.header.Verity = v
	s.header.Result.SizeBytes += l.bytes()
	return s.file()
}

// FuzzOpen: what is taken is the one way to write it, and keeps what the
// package comment promises.
func FuzzOpen(f *testing.F) {
	f.Add(newSample(f).file())
	f.Add(fuzzVerity(f))
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			wantError(t, err, ErrMalformed, "patch malformed: ")
			return
		}
		header, err := p.header.AppendTo(nil)
		if err != nil || !bytes.HasPrefix(file, header) {
			t.Errorf("written again it is %x (error %v)", header, err)
		}
		result := int64(0)
		if p.area != nil {
			result = p.area.bytes()
		}
		frames := int64(len(header))
		for _, piece := range p.header.Pieces {
			result += piece.Bytes
			frames += piece.FrameBytes
			if piece.Bytes > MaxPieceBytes || piece.WindowBytes() > MaxWindowBytes {
				t.Errorf("taken: %+v", piece)
			}
			for _, part := range piece.Window {
				if part.Offset < 0 || part.Bytes < 1 || part.Offset+part.Bytes > p.header.Base.SizeBytes {
					t.Errorf("taken: %+v of a base of %d", part, p.header.Base.SizeBytes)
				}
			}
		}
		if result != p.header.Result.SizeBytes || frames != int64(len(file)) {
			t.Errorf("parts of %d and frames of %d bytes, said %+v", result, frames, p.header)
		}
	})
}

// FuzzRebuild: whatever is in a patch, it makes what it declares, or an error
// that says whose fault it is, and never more. The header's fields can be
// changed by the fuzzer as well as frames.
func FuzzRebuild(f *testing.F) {
	s := newSample(f)
	f.Add(s.file(), s.base, 2)
	f.Add(fuzzVerity(f), s.base, 1)
	f.Add(s.file(), s.base[:1000], 3)
	f.Fuzz(func(t *testing.T, file, base []byte, workers int) {
		p, err := Open(bytes.NewReader(file), int64(len(file)))
		// Sizes that would only make the fuzzer slow.
		if err != nil || p.header.Result.SizeBytes > 4<<20 {
			return
		}
		var written int64
		err = p.Rebuild(t.Context(), bytes.NewReader(base), min(workers, 4), func(b []byte) error {
			written += int64(len(b))
			return nil
		})
		switch {
		case written > p.header.Result.SizeBytes:
			t.Errorf("%d bytes of %d", written, p.header.Result.SizeBytes)
		case err == nil && written != p.header.Result.SizeBytes:
			t.Errorf("%d bytes of %d, and no error", written, p.header.Result.SizeBytes)
		case err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrBase):
			t.Errorf("got error %v", err)
		}
	})
}

// FuzzDecompress: nothing but ErrMalformed and ErrTooLarge.
func FuzzDecompress(f *testing.F) {
	f.Add(frame(f, nil, content()[:5000]))
	f.Add(frame(f, nil, nil))
	f.Fuzz(func(t *testing.T, file []byte) {
		const maxBytes = 1 << 20
		image, n, err := decompressAll(t, file, maxBytes)
		if n != int64(len(image)) || n > maxBytes {
			t.Errorf("%d bytes written, %d said", len(image), n)
		}
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("got error %v", err)
		}
	})
}
