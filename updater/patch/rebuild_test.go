// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strconv"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

func TestRebuild(t *testing.T) {
	s := newSample(t)
	for _, workers := range []int{-1, 0, 1, 2, 3, 100} {
		t.Run(strconv.Itoa(workers), func(t *testing.T) {
			result, err := rebuildAll(t, s.file(), s.base, workers)
			if err != nil || !bytes.Equal(result, s.result) {
				t.Errorf("%d bytes, the right ones: %t, error %v", len(result), bytes.Equal(result, s.result), err)
			}
		})
	}
}

// TestRebuildTwice: what a caller does, once to verify and once to write.
func TestRebuildTwice(t *testing.T) {
	s := newSample(t)
	file := s.file()
	p, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var result []byte
		if err := p.Rebuild(t.Context(), bytes.NewReader(s.base), 2, func(b []byte) error { result = append(result, b...); return nil }); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(result, s.result) {
			t.Error("another result")
		}
	}
}

func TestLargerBase(t *testing.T) {
	s := newSample(t)
	result, err := rebuildAll(t, s.file(), append(bytes.Clone(s.base), random(100, 9)...), 2)
	if err != nil || !bytes.Equal(result, s.result) {
		t.Errorf("a volume larger than its image: error %v", err)
	}
}

func TestOtherBase(t *testing.T) {
	s := newSample(t)
	other := bytes.Clone(s.base)
	other[3*samplePieceBytes+500] ^= 1
	result, err := rebuildAll(t, s.file(), other, 2)
	wantError(t, err, ErrBase, "piece 1")
	if !bytes.Equal(result, s.result[:samplePieceBytes]) {
		t.Errorf("got %d bytes, want those of the first piece", len(result))
	}
	_, err = rebuildAll(t, s.file(), s.base[:len(s.base)-1], 2)
	wantError(t, err, ErrBase, "piece 1")
}

// TestFrameRefused has patches whose header is good and one of whose frames is
// not.
func TestFrameRefused(t *testing.T) {
	for name, change := range map[string]func(s *sample){
		"garbage":      func(s *sample) { s.replaceLast(random(500, 7)) },
		"cut":          func(s *sample) { s.replaceLast(s.frames[2][:len(s.frames[2])-10]) },
		"header alone": func(s *sample) { s.replaceLast(s.frames[2][:6]) },
		"one byte":     func(s *sample) { s.replaceLast(s.frames[2][:1]) },
		"longer piece": func(s *sample) { s.replaceLast(frame(t, nil, random(1001, 2))) },
		"shorter piece": func(s *sample) {
			s.replaceLast(frame(t, nil, random(999, 2)))
		},
		"bomb": func(s *sample) { s.replaceLast(frame(t, nil, make([]byte, 1<<20))) },
		"bomb that lies about its size": func(s *sample) {
			bomb := frame(t, nil, make([]byte, 1<<20), zstd.WithSingleSegment(true))
			// Single segment, and a content size of four bytes behind the
			// descriptor.
			if bomb[4]>>5&1 == 0 || bomb[4]>>6 != 2 {
				t.Fatalf("frame header descriptor %#x", bomb[4])
			}
			binary.LittleEndian.PutUint32(bomb[5:], 1000)
			s.replaceLast(bomb)
		},
		"without a checksum": func(s *sample) {
			s.replaceLast(frame(t, nil, s.result[len(s.result)-1000:], zstd.WithEncoderCRC(false)))
		},
		"with a dictionary": func(s *sample) {
			e, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(5, random(100, 5)))
			if err != nil {
				t.Fatal(err)
			}
			s.replaceLast(e.EncodeAll(s.result[len(s.result)-1000:], nil))
		},
		"frame to skip":   func(s *sample) { s.replaceLast([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'h', 'i'}) },
		"of unknown size": func(s *sample) { s.replaceLast(streamed(t, s.result[len(s.result)-1000:])) },
		"two frames": func(s *sample) {
			s.replaceLast(append(frame(t, nil, s.result[:500]), frame(t, nil, s.result[:500])...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSample(t)
			change(s)
			result, err := rebuildAll(t, s.file(), s.base, 2)
			wantError(t, err, ErrMalformed, "frame of piece 2")
			if want := s.result[:len(s.result)-1000]; !bytes.Equal(result, want) {
				t.Errorf("got %d bytes, want the %d of the pieces before", len(result), len(want))
			}
		})
	}
}

// streamed is a frame whose header does not say how long the content is.
func streamed(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	e, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Flush(), e.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRebuildErrors(t *testing.T) {
	s := newSample(t)
	file := s.file()
	p, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Rebuild(t.Context(), errorReader{}, 2, func([]byte) error { return nil }); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got error %v, want that of reading the base", err)
	}
	full := errors.New("disk full")
	for _, workers := range []int{1, 2} {
		if err := p.Rebuild(t.Context(), bytes.NewReader(s.base), workers, func([]byte) error { return full }); !errors.Is(err, full) {
			t.Errorf("got error %v, want that of writing", err)
		}
	}
}

func TestRebuildCancelled(t *testing.T) {
	s := newSample(t)
	file := s.file()
	p, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 3} {
		ctx, cancel := context.WithCancel(t.Context())
		pieces := 0
		err := p.Rebuild(ctx, bytes.NewReader(s.base), workers, func([]byte) error { pieces++; cancel(); return nil })
		if !errors.Is(err, context.Canceled) || pieces != 1 {
			t.Errorf("got error %v after %d pieces, want %v after one", err, pieces, context.Canceled)
		}
	}
}

// TestRebuildMemory holds Rebuild to the memory it promises.
func TestRebuildMemory(t *testing.T) {
	const pieces, pieceBytes, windowBytes, workers = 8, 1 << 20, 3 << 20, 2
	s := &sample{base: random(12<<20, 4)}
	s.result = s.base[1000:][:pieces*pieceBytes]
	s.header = Header{From: "1", To: "2", Base: image(s.base), Result: image(s.result)}
	for i := range int64(pieces) {
		s.add(t, pieceBytes, Part{i * pieceBytes, windowBytes})
	}
	file := s.file()
	s.frames = nil
	p, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	before := heapBytes()
	var most uint64
	if err := p.Rebuild(t.Context(), bytes.NewReader(s.base), workers, func([]byte) error { most = max(most, heapBytes()); return nil }); err != nil {
		t.Fatal(err)
	}
	// zstd's own tables and buffers are one block each.
	const allowed = workers * (windowBytes + pieceBytes + pieceBytes/16 + 1<<20)
	if used := int64(most) - int64(before); used > allowed {
		t.Errorf("%d bytes of memory, at most %d are promised", used, int64(allowed))
	}
	runtime.KeepAlive(s)
}

// heapBytes is the memory in use, garbage left out.
func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
