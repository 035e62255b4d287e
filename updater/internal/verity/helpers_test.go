// SPDX-License-Identifier: LGPL-2.1-or-later

package verity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The images in testdata were made with squashfs-tools 4.5.1, erofs-utils 1.5
// and cryptsetup 2.6.1, from a folder TREE with one file of a line:
//
//	mksquashfs TREE squashfs.img -noI -noD -noF -noX -no-duplicates -all-root -mkfs-time 0 -all-time 0
//	mkfs.erofs -T0 -U$UUID --all-root erofs.img TREE
//	veritysetup format $F $F --hash-offset=4096 --data-blocks=8 --data-block-size=512 \
//	    --hash-block-size=512 --salt=00112233445566778899aabbccddeeff --uuid=$UUID
const (
	testImageBytes = 5120
	testHashOffset = 4096
	testUUID       = "6f2d3a5c-0c1e-4f53-9f1b-6a7c1d2e3f40"
	testSalt       = "00112233445566778899aabbccddeeff"
)

// testRoots are the root hashes veritysetup printed.
var testRoots = map[string]string{
	"squashfs.img": "a2154b4dca3065457447363b709ff3e810eda5dbb1f4f3d640475f2059b056cd",
	"erofs.img":    "5c2f13e3da426f97724004fd683819a26fad35628558c4fa6f2b0e29952cf5b5",
}

func testdata(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// clipOSFlags are the options CLIP OS gives mksquashfs.
var clipOSFlags = []string{"-noI", "-noD", "-noF", "-noX", "-no-duplicates", "-noappend"}

// makeFileSystem makes an image file with about contentBytes of content.
func makeFileSystem(t *testing.T, kind string, contentBytes int) string {
	t.Helper()
	dir := t.TempDir()
	tree, image := filepath.Join(dir, "tree"), filepath.Join(dir, "image")
	content := make([]byte, contentBytes)
	rand.NewChaCha8([32]byte{2}).Read(content)
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"large": content, "small": []byte("ID=clipos\n")} {
		if err := os.WriteFile(filepath.Join(tree, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	switch kind {
	case Squashfs:
		run(t, "squashfs-tools", "mksquashfs", append([]string{tree, image}, clipOSFlags...)...)
	case EROFS:
		run(t, "erofs-utils", "mkfs.erofs", image, tree)
	}
	return image
}

// run runs a program of a Debian package and returns what it printed.
func run(t *testing.T, debianPackage, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: install the Debian package %s", err, debianPackage)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// field is a value in what veritysetup prints.
func field(t *testing.T, out, name string) string {
	t.Helper()
	for line := range strings.Lines(out) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			value, _, _ = strings.Cut(strings.TrimSpace(value), " [bytes]")
			return value
		}
	}
	t.Fatalf("no %q in what veritysetup printed:\n%s", name, out)
	return ""
}

// openImage opens an image file for the rest of the test.
func openImage(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func sizeBytes(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// patched is a copy of data with other bytes at an offset.
func patched(data []byte, offset int, other ...byte) []byte {
	data = bytes.Clone(data)
	copy(data[offset:], other)
	return data
}

// wantInvalid demands an error that wraps ErrInvalid and says want.
func wantInvalid(tb testing.TB, err error, want string) {
	tb.Helper()
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
		tb.Errorf("got error %v, want one that wraps %q and says %q", err, ErrInvalid, want)
	}
}

// wantRefused demands that RootHash refuses an image and returns nothing.
func wantRefused(tb testing.TB, r io.ReaderAt, imageBytes, hashOffset int64, want string) {
	tb.Helper()
	s, root, err := RootHash(r, imageBytes, hashOffset)
	wantInvalid(tb, err, want)
	if s.Algorithm != "" || s.DataBlocks != 0 || root != nil {
		tb.Errorf("got %+v and root %x with the error", s, root)
	}
}

// sparseReader has some bytes at some offsets, and zeros without end
// elsewhere: images that no disk could hold.
type sparseReader map[int64][]byte

func (r sparseReader) ReadAt(p []byte, offset int64) (int, error) {
	clear(p)
	for at, data := range r {
		if lo, hi := max(at, offset), min(at+int64(len(data)), offset+int64(len(p))); lo < hi {
			copy(p[lo-offset:], data[lo-at:hi-at])
		}
	}
	return len(p), nil
}

func mustHex(tb testing.TB, s string) []byte {
	tb.Helper()
	data, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
