// SPDX-License-Identifier: LGPL-2.1-or-later

package patch

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/blake2b"
)

// random is n bytes that are the same for the same seed.
func random(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// frame makes a piece's frame in the way a patch has it, or otherwise.
func frame(tb testing.TB, window, piece []byte, options ...zstd.EOption) []byte {
	tb.Helper()
	options = append([]zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest)}, options...)
	if len(window) > 0 {
		options = append(options, zstd.WithEncoderDictRaw(0, window))
	}
	e, err := zstd.NewWriter(nil, options...)
	if err != nil {
		tb.Fatal(err)
	}
	defer e.Close()
	return e.EncodeAll(piece, nil)
}

// sample is a patch that is good, to be broken by tests: three pieces, of
// which the second has a window of two parts and the third none.
type sample struct {
	base, result []byte
	header       Header
	frames       [][]byte
}

const samplePieceBytes = 64 << 10

func newSample(tb testing.TB) *sample {
	tb.Helper()
	base := random(4*samplePieceBytes, 1)
	s := &sample{base: base}
	s.result = bytes.Join([][]byte{
		base[100:][:samplePieceBytes],
		base[3*samplePieceBytes:], []byte("new"),
		random(1000, 2),
	}, nil)
	s.header = Header{From: "1.0.0", To: "1.0.1-rc.1", Base: image(base), Result: image(s.result)}
	s.add(tb, samplePieceBytes, Part{0, samplePieceBytes + 200})
	s.add(tb, samplePieceBytes+3, Part{3*samplePieceBytes + 1000, samplePieceBytes - 1000}, Part{3 * samplePieceBytes, 1000})
	s.add(tb, 1000)
	return s
}

// add adds a piece of what is next in the result.
func (s *sample) add(tb testing.TB, bytes int64, parts ...Part) {
	tb.Helper()
	var begin int64
	for _, p := range s.header.Pieces {
		begin += p.Bytes
	}
	var window []byte
	for _, p := range parts {
		window = append(window, s.base[p.Offset:][:p.Bytes]...)
	}
	f := frame(tb, window, s.result[begin:][:bytes])
	s.frames = append(s.frames, f)
	s.header.Pieces = append(s.header.Pieces, Piece{Bytes: bytes, FrameBytes: int64(len(f)), Window: parts})
}

// replaceLast replaces the frame of the last piece.
func (s *sample) replaceLast(frame []byte) {
	piece := len(s.frames) - 1
	s.frames[piece] = frame
	s.header.Pieces[piece].FrameBytes = int64(len(frame))
}

func (s *sample) file() []byte {
	return append(s.header.encode(), bytes.Join(s.frames, nil)...)
}

func image(content []byte) Image {
	return Image{SizeBytes: int64(len(content)), BLAKE2b: blake2b.Sum512(content)}
}

// rebuildAll opens and rebuilds a patch.
func rebuildAll(tb testing.TB, file, base []byte, workers int) ([]byte, error) {
	tb.Helper()
	p, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	var result []byte
	err = p.Rebuild(tb.Context(), bytes.NewReader(base), workers, func(b []byte) error {
		result = append(result, b...)
		return nil
	})
	return result, err
}

// wantError demands an error that wraps want and says what.
func wantError(tb testing.TB, err, want error, what string) {
	tb.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), what) {
		tb.Errorf("got error %v, want one that wraps %q and says %q", err, want, what)
	}
}

// run runs a program of a Debian package.
func run(tb testing.TB, debianPackage, name string, args ...string) {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		tb.Fatalf("%v: install the Debian package %s", err, debianPackage)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		tb.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// makeSquashfs makes a file system with about contentBytes of content.
func makeSquashfs(tb testing.TB, contentBytes int) []byte {
	tb.Helper()
	dir := tb.TempDir()
	content, path := filepath.Join(dir, "content"), filepath.Join(dir, "image")
	if err := os.WriteFile(content, random(contentBytes, 3), 0o600); err != nil {
		tb.Fatal(err)
	}
	run(tb, "squashfs-tools", "mksquashfs", content, path, "-noI", "-noD", "-noF", "-noX", "-no-duplicates", "-mkfs-time", "0", "-all-time", "0")
	return readFile(tb, path)
}

// withVerity appends what veritysetup makes for an image.
func withVerity(tb testing.TB, image []byte, withParity bool, args ...string) []byte {
	tb.Helper()
	dir := tb.TempDir()
	data, tree, parity := filepath.Join(dir, "data"), filepath.Join(dir, "tree"), filepath.Join(dir, "parity")
	if err := os.WriteFile(data, image, 0o600); err != nil {
		tb.Fatal(err)
	}
	args = append([]string{"format"}, args...)
	if withParity {
		args = append(args, "--fec-device="+parity)
	}
	run(tb, "cryptsetup-bin", "veritysetup", append(args, data, tree)...)
	image = append(image[:len(image):len(image)], readFile(tb, tree)...)
	if withParity {
		image = append(image, readFile(tb, parity)...)
	}
	return image
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return content
}
