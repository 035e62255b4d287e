// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

func readUKI(image []byte) (UKI, error) {
	return ReadUKI(bytes.NewReader(image), int64(len(image)))
}

func TestReadUKI(t *testing.T) {
	tests := []struct{ name, commandLine, want string }{
		{"plain", "root=/dev/x  quiet", "root=/dev/x  quiet"},
		{"line break", "root=/dev/x\n", "root=/dev/x"},
		{"NUL", "root=/dev/x\x00", "root=/dev/x"},
		{"line break and NULs", "root=/dev/x \n\x00\x00", "root=/dev/x"},
		{"largest", strings.Repeat("x", maxTextBytes), strings.Repeat("x", maxTextBytes)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readUKI(buildImage(t,
				part{".osrel", osRelease("5.0.0-beta.3")}, part{".cmdline", test.commandLine}, part{".linux", "kernel"}))
			if err != nil {
				t.Fatal(err)
			}
			if got.CommandLine != test.want {
				t.Errorf("%q", got.CommandLine)
			}
			if got.OSRelease["ID"] != "clipos-efiboot" || got.OSRelease["VERSION_ID"] != "5.0.0-beta.3" || len(got.OSRelease) != 4 {
				t.Errorf("%q", got.OSRelease)
			}
		})
	}
}

// A file that lost its end is never taken for a whole one, wherever it was cut.
func TestCutShort(t *testing.T) {
	image := buildUKI(t, osRelease("5.0.0"))
	whole, err := readImage(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if whole.endBytes < 200_000 || whole.endBytes > int64(len(image)) {
		t.Fatalf("the sections end at %d of %d bytes", whole.endBytes, len(image))
	}
	lengths := []int{int(whole.endBytes) - 1, int(whole.endBytes), len(image)}
	for n := range 2000 {
		lengths = append(lengths, n)
	}
	for n := 2000; n < len(image); n += 499 {
		lengths = append(lengths, n)
	}
	for _, s := range whole.sections {
		lengths = append(lengths, int(s.offset), int(s.offset+s.memoryBytes), int(s.offset+s.fileBytes)-1)
	}
	for _, n := range lengths {
		_, err := readUKI(image[:n])
		if (err == nil) != (int64(n) >= whole.endBytes) {
			t.Errorf("%d of %d bytes: %v", n, len(image), err)
		}
		if err != nil && n >= len("MZ") && !errors.Is(err, ErrCutShort) {
			t.Errorf("%d of %d bytes: %v, not ErrCutShort", n, len(image), err)
		}
		// A file may also be shorter than its folder says.
		if _, err := ReadUKI(bytes.NewReader(image[:n]), whole.endBytes); (err == nil) && n < 70_000 {
			t.Errorf("%d bytes where %d should be: no error", n, whole.endBytes)
		}
	}
}

// fields of the headers, for tests that damage them.
type headers struct{ pe, optional, sections int }

func headersOf(image []byte) headers {
	h := headers{pe: int(binary.LittleEndian.Uint32(image[peHeaderPlace:]))}
	h.optional = h.pe + 24
	h.sections = h.optional + int(binary.LittleEndian.Uint16(image[h.pe+20:]))
	return h
}

// section returns the 40 bytes of a section's header.
func (h headers) section(t *testing.T, image []byte, name string) []byte {
	t.Helper()
	i := bytes.Index(image[h.sections:], append([]byte(name), 0))
	if len(name) == 8 {
		i = bytes.Index(image[h.sections:], []byte(name))
	}
	if i < 0 || i%40 != 0 {
		t.Fatalf("no section %s", name)
	}
	return image[h.sections+i:][:40]
}

func TestReadUKIErrors(t *testing.T) {
	put32 := binary.LittleEndian.PutUint32
	tests := []struct {
		name   string
		damage func(t *testing.T, image []byte, h headers)
		want   string
	}{
		{"MS-DOS magic", func(_ *testing.T, i []byte, _ headers) { i[0] = 'm' }, "not a PE image"},
		{"PE header outside", func(_ *testing.T, i []byte, _ headers) { put32(i[peHeaderPlace:], 1<<31) }, "cut short: 300000 of 2147483672 bytes"},
		{"PE magic", func(_ *testing.T, i []byte, h headers) { i[h.pe+3] = 1 }, "not a PE image"},
		{"no sections", func(_ *testing.T, i []byte, h headers) { i[h.pe+6] = 0 }, "PE image: 0 sections"},
		{"97 sections", func(_ *testing.T, i []byte, h headers) { i[h.pe+6] = 97 }, "PE image: 97 sections"},
		{"65535 sections", func(_ *testing.T, i []byte, h headers) { i[h.pe+6], i[h.pe+7] = 255, 255 }, "PE image: 65535 sections"},
		{"no optional header", func(_ *testing.T, i []byte, h headers) { i[h.pe+20] = 0 }, "PE image: no optional header"},
		{"other kind", func(_ *testing.T, i []byte, h headers) { i[h.optional] = 7 }, "PE image: unknown kind"},
		{
			"section outside",
			func(t *testing.T, i []byte, h headers) { put32(h.section(t, i, ".initrd")[20:], 1<<32-1) },
			"cut short: 300000 of 4295030783 bytes",
		},
		{
			"signature outside",
			func(_ *testing.T, i []byte, h headers) {
				put32(i[h.optional+144:], 299_000)
				put32(i[h.optional+148:], 1001)
			},
			"cut short: 300000 of 300001 bytes",
		},
		{
			"larger in memory",
			func(t *testing.T, i []byte, h headers) { put32(h.section(t, i, ".osrel")[8:], 5000) },
			"section .osrel: 5000 bytes in memory, only 512 in the file",
		},
		{
			"empty",
			func(t *testing.T, i []byte, h headers) { put32(h.section(t, i, ".cmdline")[8:], 0) },
			"section .cmdline: empty",
		},
		{
			"too large",
			func(t *testing.T, i []byte, h headers) {
				copy(h.section(t, i, ".linux"), ".osrel\x00")
				h.section(t, i, ".osrel")[0] = 'x'
			},
			"section .osrel: 140000 bytes, at most 65536 are allowed",
		},
		{
			"missing .osrel",
			func(t *testing.T, i []byte, h headers) { h.section(t, i, ".osrel")[0] = 'x' },
			"section .osrel: missing",
		},
		{
			"missing .cmdline",
			func(t *testing.T, i []byte, h headers) { h.section(t, i, ".cmdline")[0] = 'x' },
			"section .cmdline: missing",
		},
		{
			"two .osrel",
			func(t *testing.T, i []byte, h headers) { copy(h.section(t, i, ".initrd"), ".osrel\x00") },
			"section .osrel: not the only one that begins so",
		},
		{
			"a name that systemd-boot 252 takes for .osrel",
			func(t *testing.T, i []byte, h headers) { copy(h.section(t, i, ".initrd"), ".osrel2\x00") },
			"section .osrel: not the only one that begins so",
		},
		{
			"no .osrel but what is taken for it",
			func(t *testing.T, i []byte, h headers) { copy(h.section(t, i, ".osrel"), ".osrel\x00x") },
			"section .osrel: not the only one that begins so",
		},
		{
			"bad os-release",
			func(_ *testing.T, i []byte, _ headers) { copy(i[bytes.Index(i, []byte("ID=clipos")):], "ID $clipos") },
			`section .osrel: line 1: "ID $cliposefiboot" is not an assignment`,
		},
		{
			"NUL in the command line",
			func(_ *testing.T, i []byte, _ headers) { i[bytes.Index(i, []byte("root=/dev"))+4] = 0 },
			"section .cmdline: NUL in the text",
		},
	}
	whole := buildUKI(t, osRelease("5.0.0"))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			image := make([]byte, 300_000)
			copy(image, whole)
			test.damage(t, image, headersOf(image))
			got, err := readUKI(image)
			if err == nil || err.Error() != test.want {
				t.Errorf("%q, %v; want %s", got, err, test.want)
			}
		})
	}
	if _, err := readUKI(nil); err == nil || err.Error() != "empty file" {
		t.Errorf("empty file: %v", err)
	}
}

// A signature that is all there is no damage: sbsign(1) appends it.
func TestSignedImage(t *testing.T) {
	image := buildUKI(t, osRelease("5.0.0"))
	end := len(image)
	image = append(image, make([]byte, 1000)...)
	h := headersOf(image)
	binary.LittleEndian.PutUint32(image[h.optional+144:], uint32(end))
	binary.LittleEndian.PutUint32(image[h.optional+148:], 1000)
	if _, err := readUKI(image); err != nil {
		t.Error(err)
	}
	if _, err := readUKI(image[:len(image)-1]); err == nil {
		t.Error("a cut signature: no error")
	}
	// Fewer directories than that: what is in its place means something else.
	binary.LittleEndian.PutUint32(image[h.optional+108:], 4)
	if _, err := readUKI(image[:end]); err != nil {
		t.Error(err)
	}
}

// failingReader is a disk that goes bad behind some bytes.
type failingReader struct {
	r     io.ReaderAt
	after int64
}

var errDisk = errors.New("input/output error")

func (f failingReader) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.after {
		return 0, errDisk
	}
	return f.r.ReadAt(p, off)
}

func TestReadUKIFromBadDisk(t *testing.T) {
	image := buildUKI(t, osRelease("5.0.0"))
	h := headersOf(image)
	for _, after := range []int{0, 64, h.pe + 24, h.sections, h.sections + 80, bytes.Index(image, []byte("root=/dev"))} {
		r := failingReader{bytes.NewReader(image), int64(after)}
		if _, err := ReadUKI(r, int64(len(image))); err == nil {
			t.Errorf("behind %d bytes: no error", after)
		}
	}
}

func FuzzReadUKI(f *testing.F) {
	small := buildImage(f, part{".osrel", osRelease("5.0.0")}, part{".cmdline", "root=/dev/x\n"}, part{".linux", "kernel"})
	f.Add(small)
	f.Add(small[:headersOf(small).sections+100])
	// The headers alone, with all sections behind them, so that the fuzzer
	// need not carry the stub's code along.
	f.Add(headersOnly(small))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		u, err := ReadUKI(r, int64(len(data)))
		i, imageErr := readImage(r, int64(len(data)))
		if imageErr == nil {
			list(r, "clipos-5.0.0.efi", i)
		}
		if err != nil {
			return
		}
		if imageErr != nil || i.check(int64(len(data))) != nil {
			t.Errorf("read, but %v, %v", imageErr, i.check(int64(len(data))))
		}
		if len(u.CommandLine) > maxTextBytes || strings.Contains(u.CommandLine, "\x00") {
			t.Errorf("command line %q", u.CommandLine)
		}
	})
}

// headersOnly makes an image of the real headers, whose two texts follow at once.
func headersOnly(image []byte) []byte {
	h := headersOf(image)
	small := bytes.Clone(image[:h.sections+2*40])
	for n, text := range []string{osRelease("5.0.0"), "root=/dev/x\n"} {
		header := small[h.sections+n*40:]
		copy(header, []string{".osrel\x00\x00", ".cmdline"}[n])
		binary.LittleEndian.PutUint32(header[8:], uint32(len(text)))
		binary.LittleEndian.PutUint32(header[16:], uint32(len(text)))
		binary.LittleEndian.PutUint32(header[20:], uint32(len(small)))
		small = append(small, text...)
	}
	small[h.pe+6] = 2
	return small
}

func TestHeadersOnly(t *testing.T) {
	image := headersOnly(buildUKI(t, osRelease("5.0.0")))
	if u, err := readUKI(image); err != nil || u.CommandLine != "root=/dev/x" {
		t.Errorf("%q, %v", u, err)
	}
}
