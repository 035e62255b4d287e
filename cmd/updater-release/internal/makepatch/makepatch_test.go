// SPDX-License-Identifier: LGPL-2.1-or-later

package makepatch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"golang.org/x/crypto/blake2b"

	"github.com/clipos/updater/updater/patch"
)

// random is n bytes that are the same for the same seed.
func random(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func source(content []byte) Source { return Source{bytes.NewReader(content), int64(len(content))} }

// makePatch makes a patch and has the client rebuild the result.
func makePatch(t *testing.T, base, result []byte, workers int) ([]byte, patch.Header, Stats) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "patch")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var progress []int64
	stats, err := Make(t.Context(), Options{
		From: "5.0.0-alpha.1", To: "5.0.0-alpha.3", Base: source(base), Result: source(result), Level: 9, Workers: workers,
		Progress: func(doneBytes int64) { progress = append(progress, doneBytes) },
	}, file)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(progress) || progress[len(progress)-1] != int64(len(result)) {
		t.Errorf("progress %v of %d", progress, len(result))
	}
	made, err := os.ReadFile(path)
	if err != nil || int64(len(made)) != stats.FileBytes {
		t.Fatalf("%d bytes of %d, error %v", len(made), stats.FileBytes, err)
	}
	return made, rebuild(t, made, base, result), stats
}

func rebuild(t *testing.T, made, base, result []byte) patch.Header {
	t.Helper()
	p, err := patch.Open(bytes.NewReader(made), int64(len(made)))
	if err != nil {
		t.Fatal(err)
	}
	var rebuilt []byte
	err = p.Rebuild(t.Context(), bytes.NewReader(base), 2, func(b []byte) error { rebuilt = append(rebuilt, b...); return nil })
	if err != nil || !bytes.Equal(rebuilt, result) {
		t.Fatalf("another result, of %d bytes and not %d: error %v", len(rebuilt), len(result), err)
	}
	h := p.Header()
	if h.Base.BLAKE2b != blake2b.Sum512(base) || h.Result.BLAKE2b != blake2b.Sum512(result) {
		t.Error("another digest in the header")
	}
	return h
}

func TestMake(t *testing.T) {
	base := random(33<<20, 1)
	small := base[:9<<20]
	for name, tc := range map[string]struct {
		base, result []byte
		maxBytes     int64
		moved        bool
	}{
		// What is the same costs about a thousand bytes for each piece.
		"the same":                {small, small, 3000, false},
		"one byte":                {base[:1], base[:1], 400, false},
		"one byte of a large one": {base, base[:1], 400, false},
		"of nearly nothing":       {base[:1], small, 10 << 20, false},
		"shifted by a byte":       {small, small[1:], 3000, false},
		"longer":                  {small, append(slices.Clone(small), random(100_000, 2)...), 103_000, false},
		"shorter":                 {small, small[:len(small)/2], 2000, false},
		"turned by 16 MiB":        {base, append(slices.Clone(base[17<<20:]), base[:16<<20]...), 6000, true},
		"moved to the front":      {base, base[32<<20:], 2000, true},
		"shuffled":                {base, shuffled(base, 200_000), 40_000, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, stats := makePatch(t, tc.base, tc.result, 2)
			if stats.FileBytes > tc.maxBytes || stats.MovedPieces > 0 != tc.moved {
				t.Errorf("%+v, want at most %d bytes", stats, tc.maxBytes)
			}
		})
	}
}

// shuffled has the parts of an image in another order.
func shuffled(image []byte, partBytes int) []byte {
	parts := slices.Collect(slices.Chunk(image, partBytes))
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return bytes.Join(parts, nil)
}

// TestSame: neither the number of workers nor the time changes the patch.
func TestSame(t *testing.T) {
	base := random(17<<20, 1)
	result := shuffled(base, 3<<20)
	first, _, _ := makePatch(t, base, result, 1)
	for _, workers := range []int{0, 3} {
		if again, _, _ := makePatch(t, base, result, workers); !bytes.Equal(first, again) {
			t.Errorf("another patch with %d workers", workers)
		}
	}
}

// TestVerity: hash tree and error correction are not in the patch, unless they
// are others than the client would compute.
func TestVerity(t *testing.T) {
	result := withVerity(t, 9<<20)
	v, areaBytes, err := patch.FindVerity(t.Context(), bytes.NewReader(result), int64(len(result)))
	if err != nil || v == nil {
		t.Fatalf("no area found, error %v", err)
	}
	base := result[:v.Offset]
	if _, h, stats := makePatch(t, base, result, 2); stats.FileBytes > 3000 || stats.ComputedBytes != areaBytes || h.Verity == nil {
		t.Errorf("%+v, want nothing of the area of %d bytes", stats, areaBytes)
	}
	behind := append(slices.Clone(result), 1, 2, 3)
	if _, h, stats := makePatch(t, base, behind, 2); stats.ComputedBytes != areaBytes || h.Pieces[len(h.Pieces)-1].Bytes != 3 {
		t.Errorf("%+v, want nothing of the area of %d bytes, and a piece behind", stats, areaBytes)
	}
	other := slices.Clone(result)
	other[v.Offset+5000] ^= 1
	if _, h, stats := makePatch(t, base, other, 2); stats.ComputedBytes != 0 || h.Verity != nil {
		t.Errorf("%+v, want an area in pieces", stats)
	}
}

// TestMemory: what is computed leaves less for windows, as little as a piece; a
// patch that no machine could apply is not begun.
func TestMemory(t *testing.T) {
	result := withVerity(t, 9<<20)
	_, areaBytes, err := patch.FindVerity(t.Context(), bytes.NewReader(result), int64(len(result)))
	if err != nil {
		t.Fatal(err)
	}
	base := random(33<<20, 1)
	least := areaBytes + pieceBytes + minWindowBytes + pieceBytes + pieceBytes/256 + 64
	for memoryBytes, want := range map[int64]int64{0: maxWindowBytes - sideBytes, least + 6<<20: minWindowBytes + 6<<20, least: minWindowBytes} {
		file, err := os.Create(filepath.Join(t.TempDir(), "patch"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		o := Options{From: "1", To: "2", Base: source(base), Result: source(result), Level: 1, MemoryBytes: memoryBytes}
		stats, err := Make(t.Context(), o, file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := patch.Open(file, stats.FileBytes)
		if err != nil {
			t.Fatal(err)
		}
		h := p.Header()
		if got := h.Pieces[0].WindowBytes(); got != want {
			t.Errorf("memory %d: window %d, want %d", memoryBytes, got, want)
		}
		if n, err := h.WorkersFor(cmp.Or(memoryBytes, patch.MaxRebuildBytes), 1); n != 1 {
			t.Errorf("memory %d: %v", memoryBytes, err)
		}
	}
	o := Options{From: "1", To: "2", Base: source(base), Result: source(result), Level: 1, MemoryBytes: least - 1}
	if _, err := Make(t.Context(), o, &memory{}); !errors.Is(err, patch.ErrMemory) {
		t.Errorf("got error %v, want %v", err, patch.ErrMemory)
	}
}

// withVerity is a core image as CLIP OS makes it.
func withVerity(t *testing.T, contentBytes int) []byte {
	t.Helper()
	dir := t.TempDir()
	content, image, fec := filepath.Join(dir, "content"), filepath.Join(dir, "image"), filepath.Join(dir, "fec")
	if err := os.WriteFile(content, random(contentBytes, 5), 0o600); err != nil {
		t.Fatal(err)
	}
	runProgram(t, "squashfs-tools", "mksquashfs", content, image, "-noI", "-noD", "-noF", "-noX", "-no-duplicates")
	runProgram(t, "cryptsetup-bin", "veritysetup", "format", "--hash-offset="+size(t, image), "--fec-device="+fec, image, image)
	all, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	parity, err := os.ReadFile(fec)
	if err != nil {
		t.Fatal(err)
	}
	return append(all, parity...)
}

func size(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("stat", "-c", "%s", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(out))
}

func runProgram(t *testing.T, debianPackage, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: install the Debian package %s", err, debianPackage)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

func TestMakeErrors(t *testing.T) {
	good := source(random(1000, 1))
	broken := Source{brokenReader{}, 1000}
	short := Source{bytes.NewReader(make([]byte, 999)), 1000}
	for name, tc := range map[string]struct {
		change func(o *Options)
		want   error
	}{
		"old image cannot be read": {func(o *Options) { o.Base = broken }, iotest.ErrTimeout},
		"new image cannot be read": {func(o *Options) { o.Result = broken }, iotest.ErrTimeout},
		"old image ends too early": {func(o *Options) { o.Base = short }, nil},
		"new image ends too early": {func(o *Options) { o.Result = short }, nil},
		"no old image":             {func(o *Options) { o.Base.SizeBytes = 0 }, patch.ErrMalformed},
		"no new image":             {func(o *Options) { o.Result.SizeBytes = 0 }, patch.ErrMalformed},
		"no version":               {func(o *Options) { o.To = "" }, patch.ErrMalformed},
		"level 20":                 {func(o *Options) { o.Level = 20 }, nil},
		"level -1":                 {func(o *Options) { o.Level = -1 }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{From: "1", To: "2", Base: good, Result: good, Level: 1}
			tc.change(&o)
			if _, err := Make(t.Context(), o, &memory{}); err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("got error %v, want %v", err, tc.want)
			}
		})
	}
	t.Run("cannot be written", func(t *testing.T) {
		for writes := range 3 { // room for the header, a frame, the header
			o := Options{From: "1", To: "2", Base: good, Result: good, Level: 1}
			if _, err := Make(t.Context(), o, &memory{fullAfter: writes + 1}); !errors.Is(err, errFull) {
				t.Errorf("write %d: got error %v, want %v", writes, err, errFull)
			}
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		image := source(random(17<<20, 1))
		o := Options{From: "1", To: "2", Base: image, Result: image, Level: 1, Progress: func(int64) { cancel() }}
		if _, err := Make(ctx, o, &memory{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
	})
}

type brokenReader struct{}

func (brokenReader) ReadAt([]byte, int64) (int, error) { return 0, iotest.ErrTimeout }

var errFull = errors.New("disk full")

// memory is a file that nobody reads, on a disk that may be full.
type memory struct{ fullAfter int }

func (m *memory) Write(p []byte) (int, error) {
	if m.fullAfter--; m.fullAfter == 0 {
		return 0, errFull
	}
	return len(p), nil
}

func (m *memory) Seek(int64, int) (int64, error) { return 0, nil }

func TestCompress(t *testing.T) {
	want := bytes.Repeat(random(3<<20, 1), 12)
	var first []byte
	for _, workers := range []int{1, 3} {
		var file bytes.Buffer
		var progress int64
		if err := Compress(t.Context(), source(want), 1, workers, func(doneBytes int64) { progress = doneBytes }, &file); err != nil {
			t.Fatal(err)
		}
		if progress != int64(len(want)) {
			t.Errorf("progress %d of %d", progress, len(want))
		}
		if first == nil {
			first = file.Bytes()
		} else if !bytes.Equal(first, file.Bytes()) {
			t.Error("another file with other workers")
		}
		// What is a window back costs nothing, in a window as large as is taken.
		if file.Len() > len(want)/10 {
			t.Errorf("%d bytes", file.Len())
		}
		var got []byte
		n, err := patch.Decompress(t.Context(), &file, int64(len(want)), func(p []byte) error { got = append(got, p...); return nil })
		if err != nil || n != int64(len(want)) || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, error %v", n, err)
		}
	}
	short := Source{bytes.NewReader(make([]byte, 999)), 1000}
	if err := Compress(t.Context(), short, 1, 1, nil, io.Discard); err == nil {
		t.Error("no error of an image that ends too early")
	}
}
