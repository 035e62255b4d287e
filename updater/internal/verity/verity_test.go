// SPDX-License-Identifier: LGPL-2.1-or-later

package verity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// layout is a way to make an image with verity.
type layout struct {
	kind                           string
	contentBytes                   int
	dataBlockBytes, hashBlockBytes int64
	gapBytes                       int64 // between the data area and the superblock
	args                           []string
	fec                            bool // appended
	apart                          bool // the hash file is made for itself and appended, as CLIP OS does it
}

const content = 1300 << 10 // four levels with blocks of 512 bytes and SHA-512

func TestRootHashAgainstVeritysetup(t *testing.T) {
	salt256 := "--salt=" + strings.Repeat("5a", 256)
	for name, l := range map[string]layout{
		"squashfs":                  {Squashfs, content, 4096, 4096, 0, nil, false, false},
		"squashfs, FEC":             {Squashfs, content, 4096, 4096, 0, nil, true, false},
		"squashfs, as CLIP OS":      {Squashfs, content, 4096, 4096, 0, nil, true, true},
		"squashfs, no salt":         {Squashfs, content, 4096, 4096, 0, []string{"--salt=-"}, false, false},
		"squashfs, short salt":      {Squashfs, content, 4096, 4096, 0, []string{"--salt=ff"}, false, false},
		"squashfs, largest salt":    {Squashfs, content, 4096, 4096, 0, []string{salt256}, true, false},
		"squashfs, SHA-512":         {Squashfs, content, 4096, 4096, 0, []string{"--hash=sha512"}, false, false},
		"squashfs, SHA-512, FEC":    {Squashfs, content, 4096, 4096, 0, []string{"--hash=sha512"}, true, true},
		"squashfs, 512":             {Squashfs, content, 512, 512, 0, nil, false, false},
		"squashfs, 512, SHA-512":    {Squashfs, content, 512, 512, 0, []string{"--hash=sha512", "--salt=-"}, true, false},
		"squashfs, 1024 and 4096":   {Squashfs, content, 1024, 4096, 0, nil, false, false},
		"squashfs, 4096 and 1024":   {Squashfs, content, 4096, 1024, 0, nil, false, false},
		"squashfs, largest":         {Squashfs, content, 4096, 512 << 10, 0, nil, false, false},
		"squashfs, one data block":  {Squashfs, 1, 4096, 4096, 0, nil, false, false},
		"squashfs, two data blocks": {Squashfs, 4096, 4096, 4096, 0, nil, false, false},
		"squashfs, a gap":           {Squashfs, content, 4096, 4096, 1 << 20, nil, true, false},
		"squashfs, a gap of 512":    {Squashfs, content, 4096, 4096, 512, nil, false, false},
		"squashfs, a gap of 3584":   {Squashfs, content, 4096, 4096, 3584, nil, false, false},
		"EROFS":                     {EROFS, content, 4096, 4096, 0, nil, false, false},
		"EROFS, FEC":                {EROFS, content, 4096, 4096, 0, nil, true, false},
		"EROFS, as CLIP OS":         {EROFS, content, 4096, 4096, 0, nil, true, true},
		"EROFS, SHA-512, no salt":   {EROFS, content, 4096, 4096, 0, []string{"--hash=sha512", "--salt=-"}, false, false},
		"EROFS, 512":                {EROFS, content, 512, 512, 0, nil, false, false},
		"EROFS, small":              {EROFS, 1, 4096, 4096, 0, nil, false, false},
	} {
		t.Run(name, func(t *testing.T) { testLayout(t, l) })
	}
}

// bounded is an image of which only that may be read of which the constants say
// that nothing else is.
type bounded struct {
	*testing.T
	image      io.ReaderAt
	hashOffset int64
}

func (b *bounded) ReadAt(p []byte, offset int64) (int, error) {
	end := offset + int64(len(p))
	if end > HeadBytes && (offset < b.hashOffset || end > b.hashOffset+TopBytes) {
		b.Errorf("read %d bytes at %d, the superblock is at %d", len(p), offset, b.hashOffset)
	}
	return b.image.ReadAt(p, offset)
}

func testLayout(t *testing.T, l layout) {
	t.Helper()
	image := makeFileSystem(t, l.kind, l.contentBytes)
	dataBlocks := sizeBytes(t, image) / l.dataBlockBytes
	hashOffset := sizeBytes(t, image) + l.gapBytes
	printed := l.format(t, image, dataBlocks, hashOffset)

	s, root, err := RootHash(&bounded{t, openImage(t, image), hashOffset}, sizeBytes(t, image), hashOffset)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hex.EncodeToString(root), field(t, printed, "Root hash"); got != want {
		t.Errorf("got root hash %s, veritysetup says %s", got, want)
	}
	if got, want := fmt.Sprint(s.treeBlocks()), field(t, printed, "Hash blocks"); got != want {
		t.Errorf("got %s hash blocks, veritysetup says %s", got, want)
	}
	rebuildTree(t, s, image, hashOffset)
	compareSuperblock(t, s, run(t, "cryptsetup-bin", "veritysetup", "dump", offsetFlag(hashOffset), image))
	wantVerified(t, image, hashOffset, root)
}

// format makes verity for an image file, appends it, and returns what
// veritysetup printed.
func (l layout) format(t *testing.T, image string, dataBlocks, hashOffset int64) string {
	t.Helper()
	hashes, fec := image+".hashes", image+".fec"
	args := append([]string{
		"format", "--data-blocks=" + strconv.FormatInt(dataBlocks, 10),
		"--data-block-size=" + strconv.FormatInt(l.dataBlockBytes, 10),
		"--hash-block-size=" + strconv.FormatInt(l.hashBlockBytes, 10),
	}, l.args...)
	if !l.apart {
		hashes = image
		args = append(args, offsetFlag(hashOffset))
	}
	if l.fec {
		args = append(args, "--fec-device="+fec)
	}
	printed := run(t, "cryptsetup-bin", "veritysetup", append(args, image, hashes)...)
	if l.apart {
		appendFile(t, image, hashes)
	}
	if l.fec {
		appendFile(t, image, fec)
	}
	return printed
}

// rebuildTree makes the tree anew, its data in parts that come in any order,
// and compares it with what veritysetup made.
func rebuildTree(t *testing.T, s Superblock, path string, hashOffset int64) {
	t.Helper()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dataBytes, err := s.DataBytes(hashOffset)
	if err != nil {
		t.Fatal(err)
	}
	tree := NewTree(s)
	middle := int64(s.DataBlocks) / 3
	tree.HashData(middle, image[middle*int64(s.DataBlockBytes):dataBytes])
	tree.HashData(0, image[:middle*int64(s.DataBlockBytes)])
	if want := image[s.TreeOffset(hashOffset):][:s.TreeBytes()]; !bytes.Equal(tree.Finish(), want) {
		t.Errorf("the tree of %d bytes is not that of veritysetup", len(want))
	}
}

func compareSuperblock(t *testing.T, s Superblock, dump string) {
	t.Helper()
	salt := hex.EncodeToString(s.Salt)
	if salt == "" {
		salt = "-"
	}
	u := s.UUID
	for name, got := range map[string]string{
		"UUID":            fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]),
		"Hash type":       fmt.Sprint(s.HashType),
		"Data blocks":     fmt.Sprint(s.DataBlocks),
		"Data block size": fmt.Sprint(s.DataBlockBytes),
		"Hash block size": fmt.Sprint(s.HashBlockBytes),
		"Hash algorithm":  s.Algorithm,
		"Salt":            salt,
	} {
		if want := field(t, dump, name); got != want {
			t.Errorf("%s: got %s, veritysetup says %s", name, got, want)
		}
	}
}

// wantVerified has veritysetup verify all of an image against a root hash,
// and refuse another root hash.
func wantVerified(t *testing.T, image string, hashOffset int64, root []byte) {
	t.Helper()
	verify := func(root []byte) []string {
		return []string{"verify", offsetFlag(hashOffset), image, image, hex.EncodeToString(root)}
	}
	run(t, "cryptsetup-bin", "veritysetup", verify(root)...)
	root = patched(root, 0, ^root[0])
	if err := exec.Command("veritysetup", verify(root)...).Run(); err == nil {
		t.Error("veritysetup verifies against another root hash")
	}
}

func offsetFlag(hashOffset int64) string {
	return "--hash-offset=" + strconv.FormatInt(hashOffset, 10)
}

func appendFile(t *testing.T, path, tail string) {
	t.Helper()
	data, err := os.ReadFile(tail)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestRootHash has the values that veritysetup printed once, so that they
// hold whatever version of the tools is there.
func TestRootHash(t *testing.T) {
	for file, want := range testRoots {
		s, root, err := RootHash(bytes.NewReader(testdata(t, file)), testImageBytes, testHashOffset)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(root); got != want {
			t.Errorf("%s: got root hash %s, want %s", file, got, want)
		}
		uuid := mustHex(t, strings.ReplaceAll(testUUID, "-", ""))
		if s.HashType != 1 || s.DataBlockBytes != 512 || s.HashBlockBytes != 512 || s.DataBlocks != 8 ||
			s.Algorithm != "sha256" || hex.EncodeToString(s.Salt) != testSalt || !bytes.Equal(s.UUID[:], uuid) {
			t.Errorf("%s: got %+v", file, s)
		}
	}
}

// TestRootHashOfOtherBytes: the salt and the top block make the root hash;
// the rest is dm-verity's to check, once it is known to be the right tree.
func TestRootHashOfOtherBytes(t *testing.T) {
	image := testdata(t, "squashfs.img")
	for name, tc := range map[string]struct {
		offset  int
		changes bool
	}{
		"first of the salt":      {testHashOffset + 88, true},
		"last of the salt":       {testHashOffset + 88 + 15, true},
		"behind the salt":        {testHashOffset + 88 + 16, false},
		"UUID":                   {testHashOffset + 16, false},
		"end of the superblock":  {testHashOffset + SuperblockBytes - 1, false},
		"first of the top block": {testHashOffset + SuperblockBytes, true},
		"last of the top block":  {testHashOffset + SuperblockBytes + 511, true},
		"data":                   {100, false},
	} {
		other := patched(image, tc.offset, ^image[tc.offset])
		_, root, err := RootHash(bytes.NewReader(other), testImageBytes, testHashOffset)
		if err != nil {
			t.Fatal(err)
		}
		if changed := hex.EncodeToString(root) != testRoots["squashfs.img"]; changed != tc.changes {
			t.Errorf("%s: root hash changed: %t, want %t", name, changed, tc.changes)
		}
	}
}

func TestRootHashOfCutImage(t *testing.T) {
	image := testdata(t, "squashfs.img")
	for n := range image {
		// What the caller says and what there is, each too short alone.
		wantRefused(t, bytes.NewReader(image), int64(n), testHashOffset, "")
		wantRefused(t, bytes.NewReader(image[:n]), testImageBytes, testHashOffset, "")
	}
}

// TestReadErrors: a disk that cannot be read says nothing about the image.
func TestReadErrors(t *testing.T) {
	broken := errors.New("medium error")
	image := testdata(t, "squashfs.img")
	for name, tc := range map[string]struct {
		at   int64
		want string
	}{
		"superblock":  {testHashOffset, "verity superblock at byte 4096"},
		"file system": {0, "file system at byte 0"},
		"top block":   {testHashOffset + SuperblockBytes, "verity top block at byte 4608"},
	} {
		_, root, err := RootHash(failingAt{bytes.NewReader(image), tc.at, broken}, testImageBytes, testHashOffset)
		if !errors.Is(err, broken) || errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tc.want) || root != nil {
			t.Errorf("%s: got root %x, error %v", name, root, err)
		}
	}
	if _, _, err := FileSystemBytes(failingAt{sparseReader{}, erofsSuperOffset, broken}); !errors.Is(err, broken) || errors.Is(err, ErrInvalid) {
		t.Errorf("EROFS superblock: got error %v", err)
	}
}

// failingAt cannot read what begins at an offset.
type failingAt struct {
	io.ReaderAt
	offset int64
	err    error
}

func (r failingAt) ReadAt(p []byte, offset int64) (int, error) {
	if offset == r.offset {
		return iotest.ErrReader(r.err).Read(p)
	}
	return r.ReaderAt.ReadAt(p, offset)
}

func FuzzRootHash(f *testing.F) {
	for file := range testRoots {
		f.Add(testdata(f, file), int64(testImageBytes), int64(testHashOffset))
	}
	oneBlock := patched(testdata(f, "squashfs.img"), testHashOffset+72, 1)
	f.Add(oneBlock, int64(testImageBytes), int64(testHashOffset))
	f.Add([]byte{}, int64(-1<<63), int64(0))
	f.Fuzz(func(t *testing.T, image []byte, imageBytes, hashOffset int64) {
		s, root, err := RootHash(bytes.NewReader(image), imageBytes, hashOffset)
		if err != nil {
			wantRefused(t, bytes.NewReader(image), imageBytes, hashOffset, "")
			return
		}
		if len(root) != digests[s.Algorithm]().Size() {
			t.Fatalf("root hash of %d bytes", len(root))
		}
		// Nothing behind the tree matters, and all before does.
		end := hashOffset + SuperblockBytes
		if n := s.treeBlocks(); n > 0 {
			end += s.treePadding(end) + n*int64(s.HashBlockBytes)
		}
		if end > imageBytes {
			t.Fatalf("tree ends at %d of %d", end, imageBytes)
		}
		if _, again, err := RootHash(bytes.NewReader(image), end, hashOffset); err != nil || !bytes.Equal(root, again) {
			t.Errorf("cut behind the tree: root hash %x, then %x, %v", root, again, err)
		}
		wantRefused(t, bytes.NewReader(image), end-1, hashOffset, "")
	})
}
