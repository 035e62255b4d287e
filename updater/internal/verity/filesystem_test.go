// SPDX-License-Identifier: LGPL-2.1-or-later

package verity

import (
	"bytes"
	"math"
	"testing"
)

func TestFileSystemBytes(t *testing.T) {
	for kind, padding := range map[string]int64{
		Squashfs: 4096, // mksquashfs pads to 4 KiB, beyond what the superblock says
		EROFS:    1,
	} {
		for _, contentBytes := range []int{0, 1, 4095, 4096, 100_000, content} {
			image := makeFileSystem(t, kind, contentBytes)
			fileBytes := sizeBytes(t, image)
			got, size, err := FileSystemBytes(openImage(t, image))
			if err != nil || got != kind {
				t.Fatalf("%s of %d bytes: got %q, error %v", kind, contentBytes, got, err)
			}
			if size > fileBytes || size <= fileBytes-padding {
				t.Errorf("%s: got %d bytes, the file has %d", kind, size, fileBytes)
			}
		}
	}
}

func TestFileSystemBytesRefuses(t *testing.T) {
	squashfs, erofs := testdata(t, "squashfs.img"), testdata(t, "erofs.img")
	for name, tc := range map[string]struct {
		image []byte
		want  string
	}{
		"nothing":                  {nil, "not all there"},
		"squashfs, 95 bytes":       {squashfs[:95], "not all there"},
		"EROFS, 1151 bytes":        {erofs[:1151], "not all there"},
		"zeros":                    {make([]byte, 4096), "magic"},
		"PE image":                 {append([]byte("MZ"), make([]byte, 4096)...), "magic"},
		"big-endian squashfs":      {patched(squashfs, 0, []byte("sqsh")...), "magic"},
		"EROFS, one bit of magic":  {patched(erofs, 1024, 0xe3), "magic"},
		"EROFS magic at 0":         {erofs[1024:], "magic"},
		"squashfs 3":               {patched(squashfs, 28, le16(3)...), "version"},
		"squashfs 5":               {patched(squashfs, 28, le16(5)...), "version"},
		"squashfs of 0 bytes":      {patched(squashfs, 40, le64(0)...), "bytes used"},
		"squashfs of 95 bytes":     {patched(squashfs, 40, le64(95)...), "bytes used"},
		"squashfs of 2^63 bytes":   {patched(squashfs, 40, le64(1<<63)...), "bytes used"},
		"squashfs, all bits":       {patched(squashfs, 40, le64(math.MaxUint64)...), "bytes used"},
		"EROFS, blocks of 1":       {patched(erofs, 1024+12, 0), "block size"},
		"EROFS, blocks of 256":     {patched(erofs, 1024+12, 8), "block size"},
		"EROFS, blocks of 128 KiB": {patched(erofs, 1024+12, 17), "block size"},
		"EROFS, blocks of 2^255":   {patched(erofs, 1024+12, 255), "block size"},
		"EROFS of no blocks":       {patched(erofs, 1024+36, le32(0)...), "blocks"},
		"EROFS of 1024 bytes":      {patched(patched(erofs, 1024+12, 9), 1024+36, le32(2)...), "blocks"},
		"EROFS of 2^64 bytes":      {erofs48Bit(erofs, 16, 0xffff), "blocks"},
	} {
		t.Run(name, func(t *testing.T) {
			kind, size, err := FileSystemBytes(bytes.NewReader(tc.image))
			wantInvalid(t, err, tc.want)
			if kind != "" || size != 0 {
				t.Errorf("got %q of %d bytes with the error", kind, size)
			}
		})
	}
}

func TestFileSystemBytesLimits(t *testing.T) {
	squashfs, erofs := testdata(t, "squashfs.img"), testdata(t, "erofs.img")
	for name, tc := range map[string]struct {
		image []byte
		want  int64
	}{
		"squashfs of the superblock":    {patched(squashfs, 40, le64(96)...), 96},
		"squashfs of 2^63 - 1 bytes":    {patched(squashfs, 40, le64(math.MaxInt64)...), math.MaxInt64},
		"EROFS of 1536 bytes":           {patched(patched(erofs, 1024+12, 9), 1024+36, le32(3)...), 1536},
		"EROFS of 2^32 - 1 blocks":      {patched(erofs, 1024+36, le32(math.MaxUint32)...), math.MaxUint32 << 12},
		"EROFS of 2^32 + 1 blocks":      {erofs48Bit(erofs, 12, 1), (1<<32 + 1) << 12},
		"blocks_hi without its feature": {patched(erofs, 1024+14, le16(1)...), 4096},
	} {
		_, size, err := FileSystemBytes(bytes.NewReader(tc.image))
		if err != nil || size != tc.want {
			t.Errorf("%s: got %d bytes, error %v, want %d", name, size, err, tc.want)
		}
	}
}

// erofs48Bit makes an EROFS image of one block one with 48-bit block
// numbers, and so many times 2^32 blocks more.
func erofs48Bit(image []byte, blockBits byte, blocksHi uint16) []byte {
	image = patched(image, 1024+12, blockBits)
	image = patched(image, 1024+14, le16(blocksHi)...)
	return patched(image, 1024+80, le32(0x80)...)
}

func FuzzFileSystemBytes(f *testing.F) {
	for file := range testRoots {
		f.Add(testdata(f, file)[:erofsSuperOffset+erofsSuperBytes])
	}
	f.Add(erofs48Bit(testdata(f, "erofs.img"), 16, 0xffff))
	f.Add([]byte("hsqs"))
	f.Fuzz(func(t *testing.T, image []byte) {
		kind, size, err := FileSystemBytes(bytes.NewReader(image))
		switch {
		case err != nil:
			wantInvalid(t, err, "")
		case kind == Squashfs && bytes.HasPrefix(image, []byte("hsqs")) && size >= 96:
		case kind == EROFS && bytes.HasPrefix(image[1024:], []byte("\xe2\xe1\xf5\xe0")) && size >= 1152:
		default:
			t.Errorf("got %q of %d bytes", kind, size)
		}
	})
}
