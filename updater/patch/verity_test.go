// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestVerityRebuilt compares what is computed with what veritysetup makes.
func TestVerityRebuilt(t *testing.T) {
	for name, tc := range map[string]struct {
		contentBytes int
		parity       bool
		args         []string
		behind       int // bytes behind the area
	}{
		"small":                  {100, true, nil, 0},
		"one data block":         {100, true, []string{"--data-blocks=1"}, 0},
		"some megabytes":         {3 << 20, true, nil, 0},
		"no error correction":    {1 << 20, false, nil, 0},
		"no salt":                {300_000, true, []string{"--salt=-"}, 0},
		"salt of 256 bytes":      {300_000, true, []string{"--salt=" + strings.Repeat("5a", 256)}, 0},
		"SHA-512":                {300_000, true, []string{"--hash=sha512"}, 0},
		"blocks of 512":          {700_000, true, []string{"--data-block-size=512", "--hash-block-size=512"}, 0},
		"blocks of 1024 and 512": {700_000, false, []string{"--data-block-size=1024", "--hash-block-size=512"}, 0},
		"blocks of 2048":         {1 << 20, true, []string{"--data-block-size=2048", "--hash-block-size=2048"}, 0},
		"parity of 24":           {1 << 20, true, []string{"--fec-roots=24"}, 0},
		"parity of 7":            {1 << 20, true, []string{"--fec-roots=7"}, 0},
		"padding behind":         {1 << 20, true, nil, 12345},
	} {
		t.Run(name, func(t *testing.T) {
			fileSystem := makeSquashfs(t, tc.contentBytes)
			image := append(withVerity(t, fileSystem, tc.parity, tc.args...), random(tc.behind, 6)...)
			v, areaBytes, err := FindVerity(t.Context(), bytes.NewReader(image), int64(len(image)))
			if err != nil {
				t.Fatal(err)
			}
			if v == nil || v.Offset != int64(len(fileSystem)) || v.Offset+areaBytes != int64(len(image)-tc.behind) || v.ParityBytes > 0 != tc.parity {
				t.Fatalf("found %+v of %d bytes, not all behind %d", v, areaBytes, len(fileSystem))
			}
			s := veritySample(t, image, v, areaBytes)
			for _, workers := range []int{1, 3} {
				result, err := rebuildAll(t, s.file(), s.base, workers)
				if err != nil || !bytes.Equal(result, image) {
					t.Errorf("%d workers: %d bytes, error %v", workers, len(result), err)
				}
			}
		})
	}
}

// veritySample is a patch to an image with an area, in pieces of 256 KiB.
func veritySample(t *testing.T, result []byte, v *Verity, areaBytes int64) *sample {
	t.Helper()
	const pieceBytes = 256 << 10
	base := random(100_000, 8)
	s := &sample{base: base, header: Header{From: "1", To: "2", Base: image(base), Result: image(result), Verity: v}}
	// add cuts from the beginning of the result, without the area.
	end := v.Offset + areaBytes
	s.result = append(bytes.Clone(result[:v.Offset]), result[end:]...)
	for at := int64(0); at < v.Offset; at += pieceBytes {
		s.add(t, min(pieceBytes, v.Offset-at), Part{0, 50_000})
	}
	if behind := int64(len(result)) - end; behind > 0 {
		s.add(t, behind)
	}
	return s
}

// TestVerityFound has images with more or less than an area that can be
// computed.
func TestVerityFound(t *testing.T) {
	fileSystem := makeSquashfs(t, 2<<20)
	good := withVerity(t, fileSystem, true)
	at := len(fileSystem)
	treeOffset := at + 4096
	if whole, _, err := FindVerity(t.Context(), bytes.NewReader(good), int64(len(good))); err != nil || whole == nil {
		t.Fatalf("nothing found, error %v", err)
	}
	without := withVerity(t, fileSystem, false)
	parityBytes := len(good) - len(without)
	flipped := func(offset int) []byte {
		image := bytes.Clone(good)
		image[offset] ^= 0x10
		return image
	}
	for name, tc := range map[string]struct {
		image  []byte
		parity int // -1: nothing found
	}{
		"all":                        {good, 2},
		"no error correction":        {without, 0},
		"file system alone":          {fileSystem, -1},
		"no file system":             {random(100_000, 1), -1},
		"nothing":                    {nil, -1},
		"other data":                 {flipped(1 << 20), -1},
		"other tree":                 {flipped(treeOffset + 10), -1},
		"between superblock, tree":   {flipped(at + 600), -1},
		"other first parity":         {flipped(len(good) - parityBytes), 0},
		"other last parity":          {flipped(len(good) - 1), 0},
		"other salt":                 {flipped(at + 88), -1},
		"other UUID":                 {flipped(at + 16), 2},
		"tree cut":                   {good[:treeOffset+4096], -1},
		"error correction cut":       {good[:len(good)-1], 0},
		"more behind":                {append(bytes.Clone(good), 1, 2, 3), 2},
		"superblock a sector behind": {append(append(bytes.Clone(fileSystem), make([]byte, 4096)...), without[at:]...), 0},
	} {
		t.Run(name, func(t *testing.T) {
			v, foundBytes, err := FindVerity(t.Context(), bytes.NewReader(tc.image), int64(len(tc.image)))
			switch {
			case err != nil:
				t.Fatal(err)
			case tc.parity < 0 && (v != nil || foundBytes != 0):
				t.Errorf("found %+v of %d bytes", v, foundBytes)
			case tc.parity >= 0 && (v == nil || v.ParityBytes != tc.parity):
				t.Errorf("found %+v, want %d parity bytes", v, tc.parity)
			}
		})
	}
}

func TestFindVerityErrors(t *testing.T) {
	image := withVerity(t, makeSquashfs(t, 10_000), true)
	if _, _, err := FindVerity(t.Context(), errorReader{}, int64(len(image))); err == nil {
		t.Error("no error of reading")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := FindVerity(ctx, bytes.NewReader(image), int64(len(image))); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

// TestVerityRefused has headers whose area is wrong in one thing.
func TestVerityRefused(t *testing.T) {
	result := withVerity(t, makeSquashfs(t, 700_000), true)
	found, areaBytes, err := FindVerity(t.Context(), bytes.NewReader(result), int64(len(result)))
	if err != nil || found == nil {
		t.Fatalf("nothing found, error %v", err)
	}
	good := veritySample(t, result, found, areaBytes)
	for name, tc := range map[string]struct {
		change func(h *Header)
		want   string
	}{
		"offset in a piece":    {func(h *Header) { h.Verity.Offset -= 512 }, "no piece ends"},
		"offset 0":             {func(h *Header) { h.Verity.Offset = 0 }, "no piece ends"},
		"offset 2^63":          {func(h *Header) { h.Verity.Offset = math.MinInt64 }, "no piece ends"},
		"offset 2^63 - 512":    {func(h *Header) { h.Verity.Offset = math.MaxInt64 &^ 511 }, "no piece ends"},
		"no superblock":        {func(h *Header) { clear(h.Verity.Superblock[:]) }, "signature"},
		"hash type 0":          {func(h *Header) { h.Verity.Superblock[12] = 0 }, "hash type"},
		"no data":              {func(h *Header) { blocks(h, 0) }, "data blocks"},
		"data behind the area": {func(h *Header) { blocks(h, uint64(h.Verity.Offset/4096)+1) }, "data blocks"},
		"data of 2^64 blocks":  {func(h *Header) { blocks(h, math.MaxUint64) }, "data blocks"},
		"data of 2^52 blocks":  {func(h *Header) { blocks(h, 1<<52) }, "data blocks"},
		"less data":            {func(h *Header) { blocks(h, 1) }, "size of the result"},
		"parity of 1":          {func(h *Header) { h.Verity.ParityBytes = 1 }, "error correction"},
		"parity of 25":         {func(h *Header) { h.Verity.ParityBytes = 25 }, "error correction"},
		"parity of 255":        {func(h *Header) { h.Verity.ParityBytes = 255 }, "error correction"},
		"parity of 3":          {func(h *Header) { h.Verity.ParityBytes = 3 }, "size of the result"},
		"no parity":            {func(h *Header) { h.Verity.ParityBytes = 0 }, "size of the result"},
		"two block sizes":      {func(h *Header) { h.Verity.Superblock[69] = 8 }, "error correction"},
		"pieces not of blocks": {func(h *Header) { h.Pieces[0].Bytes++; h.Pieces[1].Bytes-- }, "not whole blocks"},
		"area of 128 GiB": {func(h *Header) {
			// Data of 512 GiB in blocks of 512 bytes.
			h.Pieces = nil
			for range 32768 {
				h.Pieces = append(h.Pieces, Piece{Bytes: MaxPieceBytes, FrameBytes: 1})
			}
			h.Verity.Offset = 32768 * MaxPieceBytes
			binary.LittleEndian.PutUint32(h.Verity.Superblock[64:], 512)
			binary.LittleEndian.PutUint32(h.Verity.Superblock[68:], 512)
			blocks(h, 1<<30)
		}, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			s, v := *good, *found
			s.header.Verity, s.header.Pieces = &v, slices.Clone(good.header.Pieces)
			tc.change(&s.header)
			file := s.file()
			_, err := Open(bytes.NewReader(file), int64(len(file)))
			wantError(t, err, ErrMalformed, tc.want)
		})
	}
}

func blocks(h *Header, n uint64) { binary.LittleEndian.PutUint64(h.Verity.Superblock[72:], n) }
