// SPDX-License-Identifier: LGPL-2.1-or-later

package verity

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

// Offsets in the superblock, from the description of cryptsetup rather than
// from the code under test.
const (
	atSignature     = 0
	atVersion       = 8
	atHashType      = 12
	atAlgorithm     = 32
	atDataBlockSize = 64
	atHashBlockSize = 68
	atDataBlocks    = 72
	atSaltSize      = 80
)

func le16(n uint16) []byte { return binary.LittleEndian.AppendUint16(nil, n) }
func le32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
func le64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func name(s string) []byte { return append([]byte(s), make([]byte, 32-len(s))...) }

func TestSuperblockFields(t *testing.T) {
	for file := range testRoots {
		image := testdata(t, file)
		for name, tc := range map[string]struct {
			offset int
			value  []byte
			field  string
		}{
			"nothing there":              {atSignature, make([]byte, SuperblockBytes), "signature"},
			"signature":                  {atSignature, []byte("Verity"), "signature"},
			"signature without NULs":     {atSignature, []byte("verity  "), "signature"},
			"version 0":                  {atVersion, le32(0), "version"},
			"version 2":                  {atVersion, le32(2), "version"},
			"version, high byte":         {atVersion, le32(1<<24 | 1), "version"},
			"Chrome OS":                  {atHashType, le32(0), "hash type"},
			"hash type 2":                {atHashType, le32(2), "hash type"},
			"hash type, all bits":        {atHashType, le32(math.MaxUint32), "hash type"},
			"no algorithm":               {atAlgorithm, name(""), "algorithm"},
			"SHA-1":                      {atAlgorithm, name("sha1"), "algorithm"},
			"another case":               {atAlgorithm, name("SHA256"), "algorithm"},
			"longer name":                {atAlgorithm, name("sha256-x"), "algorithm"},
			"behind the name":            {atAlgorithm, name("sha256\x00x"), "algorithm"},
			"name without end":           {atAlgorithm, []byte(strings.Repeat("s", 32)), "algorithm"},
			"data block size 0":          {atDataBlockSize, le32(0), "data block size"},
			"data block size 1":          {atDataBlockSize, le32(1), "data block size"},
			"data block size 256":        {atDataBlockSize, le32(256), "data block size"},
			"data block size 1536":       {atDataBlockSize, le32(1536), "data block size"},
			"data block size 1 MiB":      {atDataBlockSize, le32(1 << 20), "data block size"},
			"data block size 2 GiB":      {atDataBlockSize, le32(1 << 31), "data block size"},
			"data block size, all bits":  {atDataBlockSize, le32(math.MaxUint32), "data block size"},
			"data blocks twice as large": {atDataBlockSize, le32(1024), "data blocks"},
			"hash block size 0":          {atHashBlockSize, le32(0), "hash block size"},
			"hash block size 32":         {atHashBlockSize, le32(32), "hash block size"},
			"hash block size 1000":       {atHashBlockSize, le32(1000), "hash block size"},
			"hash block size 1 MiB":      {atHashBlockSize, le32(1 << 20), "hash block size"},
			"hash block size, all bits":  {atHashBlockSize, le32(math.MaxUint32), "hash block size"},
			"hash blocks twice as large": {atHashBlockSize, le32(1024), "hash tree"},
			"hash blocks of 512 KiB":     {atHashBlockSize, le32(512 << 10), "hash tree"},
			"no data blocks":             {atDataBlocks, le64(0), "data blocks"},
			"one data block too many":    {atDataBlocks, le64(9), "data blocks"},
			"data blocks, 2^55":          {atDataBlocks, le64(1 << 55), "data blocks"}, // 2^64 bytes
			"data blocks, 2^55 + 8":      {atDataBlocks, le64(1<<55 + 8), "data blocks"},
			"data blocks, 2^63":          {atDataBlocks, le64(1 << 63), "data blocks"},
			"data blocks, 2^63 + 8":      {atDataBlocks, le64(1<<63 + 8), "data blocks"},
			"data blocks, all bits":      {atDataBlocks, le64(math.MaxUint64), "data blocks"},
			"salt size 257":              {atSaltSize, le16(257), "salt size"},
			"salt size, all bits":        {atSaltSize, le16(math.MaxUint16), "salt size"},
		} {
			t.Run(file+"/"+name, func(t *testing.T) {
				other := patched(image, testHashOffset+tc.offset, tc.value...)
				wantRefused(t, bytes.NewReader(other), testImageBytes, testHashOffset, "verity superblock: "+tc.field+":")
			})
		}
	}
}

func TestHashOffset(t *testing.T) {
	image := testdata(t, "squashfs.img")
	const min64, max64 = math.MinInt64, math.MaxInt64
	for name, tc := range map[string]struct {
		imageBytes, hashOffset int64
		want                   string
	}{
		"zero: a file system":       {testImageBytes, 0, "signature"},
		"in the data":               {testImageBytes, 512, "signature"},
		"in the tree":               {testImageBytes, testHashOffset + 512, "signature"},
		"not aligned":               {testImageBytes, testHashOffset + 1, "hash offset"},
		"at the end":                {testImageBytes, testImageBytes, "hash offset"},
		"beyond the end":            {testImageBytes, 1 << 40, "hash offset"},
		"negative":                  {testImageBytes, -512, "hash offset"},
		"least":                     {testImageBytes, min64, "hash offset"},
		"greatest":                  {testImageBytes, max64 &^ 511, "hash offset"},
		"no image":                  {0, 0, "hash offset"},
		"image of negative size":    {-1, 0, "hash offset"},
		"image of least size":       {min64, 0, "hash offset"},
		"image of least size, 512":  {min64, 512, "hash offset"},
		"both least":                {min64, min64, "hash offset"},
		"image smaller than one":    {511, 0, "hash offset"},
		"superblock cut":            {testHashOffset + 511, testHashOffset, "hash offset"},
		"tree missing":              {testHashOffset + 512, testHashOffset, "hash tree"},
		"tree cut":                  {testImageBytes - 1, testHashOffset, "hash tree"},
		"more said than there is":   {max64, 1 << 40, "not all there"},
		"greatest offset and image": {max64, max64&^511 - 512, "not all there"},
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, bytes.NewReader(image), tc.imageBytes, tc.hashOffset, tc.want)
		})
	}
}

// TestPaddingBeforeTree: a hash block begins at a multiple of its size, so
// there may be bytes between superblock and tree.
func TestPaddingBeforeTree(t *testing.T) {
	image := append(testdata(t, "squashfs.img"), make([]byte, 1024)...)
	image = patched(image, testHashOffset+atHashBlockSize, le32(1024)...)
	wantRefused(t, bytes.NewReader(image), testHashOffset+512+512+1023, testHashOffset, "hash tree")
	_, root, err := RootHash(bytes.NewReader(image), testHashOffset+512+512+1024, testHashOffset)
	if err != nil {
		t.Fatal(err)
	}
	salted := append(mustHex(t, testSalt), image[testHashOffset+1024:][:1024]...)
	if want := sha256.Sum256(salted); !bytes.Equal(root, want[:]) {
		t.Errorf("got root hash %x, want %x", root, want)
	}
}

// TestNothingBehindImage: what stands behind imageBytes, as on a volume that
// is larger than its image, is no part of it.
func TestNothingBehindImage(t *testing.T) {
	image := testdata(t, "erofs.img") // its superblock stands at 1024
	super := image[testHashOffset:][:SuperblockBytes]
	wantRefused(t, bytes.NewReader(patched(image, 512, super...)), 1024, 512, "file system at byte 1024")
}

// TestOverflow has images as large as a file can be, where the sums of what
// a superblock says do not fit 63 or 64 bits.
func TestOverflow(t *testing.T) {
	image := testdata(t, "squashfs.img")
	super := image[testHashOffset:][:SuperblockBytes]
	const last = math.MaxInt64&^511 - 512 // the last offset for a superblock
	for name, tc := range map[string]struct {
		hashOffset                     int64
		dataBlockBytes, hashBlockBytes uint32
		dataBlocks                     uint64
		want                           string
	}{
		"tree rounded up beyond 2^63":    {last, 512, 512 << 10, 8, "hash tree"},
		"no room for a tree":             {last, 512, 512, last / 512, "hash tree"},
		"one data block too many":        {last, 512, 512, last/512 + 1, "data blocks"},
		"data area of 2^64 bytes":        {last, 512 << 10, 512, 1 << 45, "data blocks"},
		"data area of 2^64 + 4096":       {last, 512, 512, 1<<55 + 8, "data blocks"},
		"data area of 2^83 - 512 KiB":    {last, 512 << 10, 512, math.MaxUint64, "data blocks"},
		"one data block, as a control":   {last, 4096, 512 << 10, 1, ""},
		"whole tree, as another control": {1 << 62, 4096, 4096, 1 << 50, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := patched(super, atDataBlockSize, le32(tc.dataBlockBytes)...)
			s = patched(s, atHashBlockSize, le32(tc.hashBlockBytes)...)
			s = patched(s, atDataBlocks, le64(tc.dataBlocks)...)
			r := sparseReader{0: image[:testHashOffset], tc.hashOffset: s}
			if tc.want != "" {
				wantRefused(t, r, math.MaxInt64, tc.hashOffset, tc.want)
			} else if _, _, err := RootHash(r, math.MaxInt64, tc.hashOffset); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDataArea: a file system that the tree does not cover whole can be
// changed without a root hash to show it.
func TestDataArea(t *testing.T) {
	image := testdata(t, "erofs.img") // a file system of 4096 bytes
	for n := range uint64(8) {
		other := patched(image, testHashOffset+atDataBlocks, le64(n)...)
		wantRefused(t, bytes.NewReader(other), testImageBytes, testHashOffset, "data blocks")
	}
}
