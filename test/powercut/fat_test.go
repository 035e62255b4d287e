// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// What mtools wrote is read: short names, long ones, names in small letters,
// files in pieces, removed files.
func TestFAT(t *testing.T) {
	want := map[string][]byte{
		"EFI/BOOT/BOOTX64.EFI":                               bytes.Repeat([]byte("loader"), 1000),
		"loader/loader.conf":                                 []byte("timeout 0\n"),
		"EFI/Linux/clipos-5.0.0-alpha.1.efi":                 bytes.Repeat([]byte("1"), 70001),
		"EFI/Linux/clipos-5.0.0-alpha.3+3-0.efi.new":         {},
		"EFI/Linux/a file whose name has more than 26 units": []byte("x"),
	}
	image := newESP(t, want)
	// A hole that the next file fills first.
	copyIn(t, image, "EFI/Linux/hole", make([]byte, 5000))
	copyIn(t, image, "EFI/Linux/behind", make([]byte, 600))
	run(t, "mdel", "-i", image, "::/EFI/Linux/hole")
	want["EFI/Linux/pieces"] = bytes.Repeat([]byte("pieces"), 3000)
	copyIn(t, image, "EFI/Linux/pieces", want["EFI/Linux/pieces"])

	f, err := openFAT(open(t, image))
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range want {
		got, err := f.readPath(path)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v, want %d", path, len(got), err, len(content))
		}
	}
	files, err := f.folder("EFI", "Linux")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if !file.folder {
			names = append(names, file.name)
		}
	}
	if len(names) != 5 || slices.Contains(names, "hole") {
		t.Errorf("%q", names)
	}
}

func TestFATDamaged(t *testing.T) {
	image := readAll(t, newESP(t, map[string][]byte{"EFI/Linux/clipos-1.0.0.efi": make([]byte, 5000)}))
	read := func(image []byte) error {
		f, err := openFAT(bytes.NewReader(image))
		if err == nil {
			_, err = f.readPath("EFI/Linux/clipos-1.0.0.efi")
		}
		return err
	}
	if err := read(image); err != nil {
		t.Fatal(err)
	}
	clear(image[32*SectorBytes : 33*SectorBytes]) // the first table behind 32 reserved sectors
	if err := read(image); !errors.Is(err, errFAT) {
		t.Errorf("without its table: %v, want %v", err, errFAT)
	}
	if err := read(make([]byte, len(image))); !errors.Is(err, errFAT) {
		t.Errorf("zeros: %v, want %v", err, errFAT)
	}
}

// Half of a rename: the long name is there and its short name is another's.
func TestFATLongNameOfAnother(t *testing.T) {
	image := readAll(t, newESP(t, map[string][]byte{"EFI/Linux/clipos-1.0.0-alpha.efi": []byte("x")}))
	short := bytes.Index(image, []byte("CLIPOS"))
	if short < 0 {
		t.Fatal("no short name")
	}
	image[short] = 'K'
	f, err := openFAT(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	files, err := f.folder("EFI", "Linux")
	if err != nil || len(files) != 3 || !strings.HasPrefix(files[2].name, "KLIPOS") {
		t.Errorf("%+v, %v", files, err)
	}
}

func FuzzFAT(f *testing.F) {
	sector := make([]byte, 4096)
	copy(sector[11:], []byte{0, 2, 1, 1, 0, 1})
	copy(sector[36:], []byte{1, 0, 0, 0})
	copy(sector[44:], []byte{2, 0, 0, 0})
	copy(sector[510:], []byte{0x55, 0xaa})
	copy(sector[512:], bytes.Repeat([]byte{0xff, 0xff, 0xff, 0x0f}, 8))
	copy(sector[1024:], "EFI     EFI\x10")
	sector[1024+26] = 3
	f.Add(sector)
	f.Fuzz(func(t *testing.T, image []byte) {
		fs, err := openFAT(bytes.NewReader(image))
		if err != nil {
			return
		}
		files, _ := fs.folder("EFI", "Linux")
		for _, file := range files {
			if content, err := fs.read(file); err == nil && int64(len(content)) != file.sizeBytes {
				t.Fatalf("%d bytes of %d", len(content), file.sizeBytes)
			}
		}
	})
}
