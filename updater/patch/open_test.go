// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestOpen(t *testing.T) {
	s := newSample(t)
	file := s.file()
	p, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Header(); !reflect.DeepEqual(got, s.header) {
		t.Errorf("got %+v, want %+v", got, s.header)
	}
	header, err := s.header.AppendTo([]byte("before"))
	if err != nil || !bytes.HasPrefix(append([]byte("before"), file...), header) {
		t.Errorf("the header is another when it is appended (error %v)", err)
	}
}

// TestHeaderRefused has headers that are as they should be but for one field.
func TestHeaderRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(h *Header)
		want   string
	}{
		"no version of the base":        {func(h *Header) { h.From = "" }, "version of the base"},
		"version with a slash":          {func(h *Header) { h.From = "1.0/0" }, "version of the base"},
		"version with a line break":     {func(h *Header) { h.To = "1.0.0\n" }, "version of the result"},
		"version with a NUL":            {func(h *Header) { h.To = "1.0.0\x00" }, "version of the result"},
		"version of 65 bytes":           {func(h *Header) { h.To = strings.Repeat("1", 65) }, "version of the result"},
		"base of 0 bytes":               {func(h *Header) { h.Base.SizeBytes = 0 }, "size of the base"},
		"base of 2^63 bytes":            {func(h *Header) { h.Base.SizeBytes = math.MinInt64 }, "size of the base"},
		"base smaller than windows":     {func(h *Header) { h.Base.SizeBytes-- }, "piece 1: window"},
		"result too large by one":       {func(h *Header) { h.Result.SizeBytes++ }, "size of the result"},
		"result too small by one":       {func(h *Header) { h.Result.SizeBytes-- }, "size of the result"},
		"result of 2^64 - 1 bytes":      {func(h *Header) { h.Result.SizeBytes = -1 }, "size of the result"},
		"no pieces":                     {func(h *Header) { h.Pieces = nil }, "number of pieces"},
		"piece of 0 bytes":              {func(h *Header) { h.Pieces[1].Bytes = 0 }, "piece 1: length"},
		"piece of more than 16 MiB":     {func(h *Header) { h.Pieces[2].Bytes = MaxPieceBytes + 1 }, "piece 2: length"},
		"frame of 0 bytes":              {func(h *Header) { h.Pieces[0].FrameBytes = 0 }, "piece 0: frame"},
		"frame longer than any":         {func(h *Header) { h.Pieces[2].FrameBytes = 1000 + 3 + 65 }, "piece 2: frame"},
		"frame one byte into the next":  {func(h *Header) { h.Pieces[0].FrameBytes++ }, "frames"},
		"frame one byte short":          {func(h *Header) { h.Pieces[2].FrameBytes-- }, "frames"},
		"part of 0 bytes":               {func(h *Header) { h.Pieces[0].Window[0].Bytes = 0 }, "piece 0: window"},
		"part of more than 64 MiB":      {func(h *Header) { h.Pieces[0].Window[0].Bytes = MaxWindowBytes + 1 }, "piece 0: window"},
		"part at 2^63":                  {func(h *Header) { h.Pieces[0].Window[0].Offset = math.MinInt64 }, "piece 0: window"},
		"part at 2^63 - 1":              {func(h *Header) { h.Pieces[0].Window[0].Offset = math.MaxInt64 }, "piece 0: window"},
		"part one byte behind the base": {func(h *Header) { h.Pieces[0].Window[0].Offset = 3*samplePieceBytes - 199 }, "piece 0: window"},
		"window of more than 64 MiB": {func(h *Header) {
			h.Base.SizeBytes = 1 << 40
			h.Pieces[0].Window = []Part{{0, MaxWindowBytes}, {0, 1}}
		}, "piece 0: window"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSample(t)
			tc.change(&s.header)
			file := s.file()
			_, err := Open(bytes.NewReader(file), int64(len(file)))
			wantError(t, err, ErrMalformed, tc.want)
			if _, err := s.header.AppendTo(nil); tc.want != "frames" {
				wantError(t, err, ErrMalformed, tc.want)
			}
		})
	}
}

// TestFileRefused has files whose header cannot be taken apart.
func TestFileRefused(t *testing.T) {
	good := newSample(t).file()
	headerBytes := int(binary.LittleEndian.Uint32(good[12:]))
	pieces := bytes.Index(good, []byte{3, 0, 0, 0, 0, 0, 1, 0}) // three, and the length of the first
	with := func(offset int, other ...byte) []byte {
		file := bytes.Clone(good)
		copy(file[offset:], other)
		return file
	}
	for name, tc := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":                     {nil, "header"},
		"15 bytes":                    {good[:15], "header"},
		"another magic":               {with(7, 'X'), "magic"},
		"format version 0":            {with(8, 0), "format version"},
		"format version 2":            {with(8, 2), "format version"},
		"header of 0 bytes":           {with(12, 0, 0, 0, 0), "header length"},
		"header of 15 bytes":          {with(12, 15, 0, 0, 0), "header length"},
		"header of the prefix":        {with(12, 16, 0, 0, 0), "header length"},
		"header of 4 GiB":             {with(12, 255, 255, 255, 255), "header length"},
		"header larger than the file": {with(12, 0, 0, 16, 0), "header"},
		"header one byte shorter":     {with(12, byte(headerBytes-1)), "header length"},
		"header one byte longer":      {with(12, byte(headerBytes+1)), "header length"},
		"version larger than all":     {with(16, 255), ""},
		"verity area 2":               {with(pieces-1, 2), "dm-verity area"},
		"verity area without one":     {with(pieces-1, 1), "number of pieces"},
		"four pieces":                 {with(pieces, 4), "header length"},
		"two pieces":                  {with(pieces, 2), "header length"},
		"2^32 - 1 pieces":             {with(pieces, 255, 255, 255, 255), "number of pieces"},
		"255 parts":                   {with(pieces+12, 255), "header length"},
		"no parts":                    {with(pieces+12, 0), "header length"},
		"a byte behind the frames":    {append(bytes.Clone(good), 0), "frames"},
		"a byte less":                 {good[:len(good)-1], "frames"},
		"header alone":                {good[:headerBytes], "frames"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(bytes.NewReader(tc.file), int64(len(tc.file)))
			wantError(t, err, ErrMalformed, tc.want)
		})
	}
}

func TestManyPieces(t *testing.T) {
	h := Header{From: "1", To: "2", Base: Image{SizeBytes: 1}, Result: Image{SizeBytes: maxPieces}}
	for range maxPieces {
		h.Pieces = append(h.Pieces, Piece{Bytes: 1, FrameBytes: 1})
	}
	file := append(h.encode(), make([]byte, maxPieces)...)
	if _, err := Open(bytes.NewReader(file), int64(len(file))); err != nil {
		t.Error(err)
	}
	h.Pieces = append(h.Pieces, h.Pieces[0])
	h.Result.SizeBytes++
	file = append(h.encode(), make([]byte, maxPieces+1)...)
	_, err := Open(bytes.NewReader(file), int64(len(file)))
	wantError(t, err, ErrMalformed, "number of pieces")
}

func TestHeaderTooLong(t *testing.T) {
	h := Header{From: "1", To: "2", Base: Image{SizeBytes: 1}, Result: Image{SizeBytes: 2000}}
	window := make([]Part, MaxWindowParts)
	for i := range window {
		window[i] = Part{0, 1}
	}
	for range 2000 {
		h.Pieces = append(h.Pieces, Piece{Bytes: 1, FrameBytes: 1, Window: window})
	}
	_, err := h.AppendTo(nil)
	wantError(t, err, ErrMalformed, "header length")
}

// TestHeaderMemory: a number that stands in a header costs nothing by itself.
func TestHeaderMemory(t *testing.T) {
	file := newSample(t).file()
	binary.LittleEndian.PutUint32(file[12:], maxHeaderBytes)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Open(bytes.NewReader(file), int64(len(file)))
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > maxHeaderBytes+1<<20 {
		t.Errorf("%d bytes for a header that is not there, error %v", used, err)
	}
}

func TestOpenReadError(t *testing.T) {
	_, err := Open(errorReader{}, 1<<20)
	if !errors.Is(err, iotest.ErrTimeout) || errors.Is(err, ErrMalformed) {
		t.Errorf("got error %v, want that of reading", err)
	}
}

// errorReader cannot be read.
type errorReader struct{}

func (errorReader) ReadAt([]byte, int64) (int, error) { return 0, iotest.ErrTimeout }
