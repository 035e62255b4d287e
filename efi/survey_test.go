// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSurvey(t *testing.T) {
	dir := t.TempDir()
	image := buildUKI(t, osRelease("5.0.0"))
	files := map[string][]byte{
		"clipos-5.0.0.efi":           image,
		"clipos-5.1.0+2-1.efi":       image,
		"clipos-5.2.0.efi":           nil,
		"clipos-5.3.0.efi":           []byte("not an image"),
		"clipos-5.4.0.efi":           half(image),
		"clipos-5.5.0.efi.new":       half(image),
		"clipos-5.6.0.efi":           buildImage(t, part{".cmdline", "quiet"}),
		"debian.efi":                 half(image),
		"Debian.EFI":                 image,
		"clipos-5.7.0-RC.1.efi":      image,
		"README":                     []byte("hello"),
		"clipos-5.8.0+x.efi":         nil,
		"unnamed.efi":                buildImage(t, part{".osrel", "VERSION=1\n"}),
		"clipos-server-5.0.0.efi":    image,
		"clipos-6.0.0.efi.bak":       image,
		"clipos-6.1.0+0-3.efi":       image,
		"clipos-6.2.0-alpha.1.efi":   buildImage(t, part{".osrel", "ID=clipos\nIMAGE_ID=img\nIMAGE_VERSION=1~2\nVERSION=3\nNAME=x\n"}),
		"clipos-6.3.0-alpha.1.efi":   buildImage(t, part{".osrel", "BUILD_ID=7\nNAME=x\n"}),
		"clipos-6.4.0-alpha.1.1.efi": image[:3000],
	}
	for name, content := range files {
		writeFile(t, filepath.Join(dir, name), content)
	}
	before := snapshot(t, dir)
	p := New(dir, product, Options{})
	s := survey(t, p)

	cut := fmt.Sprintf("cut short: %d of ", len(half(image)))
	tests := []struct {
		file                  string
		ours, bootable        bool
		damaged, key, version string
	}{
		{"clipos-5.0.0.efi", true, true, "", "clipos-efiboot", "5.0.0"},
		{"clipos-5.1.0+2-1.efi", true, true, "", "clipos-efiboot", "5.0.0"},
		{"clipos-5.2.0.efi", true, false, "empty file", "", ""},
		{"clipos-5.3.0.efi", true, false, "not a PE image", "", ""},
		{"clipos-5.4.0.efi", true, true, cut, "clipos-efiboot", "5.0.0"},
		{"clipos-5.5.0.efi.new", true, false, cut, "", ""},
		{"clipos-5.6.0.efi", true, false, "", "", ""},
		{"debian.efi", false, true, "", "clipos-efiboot", "5.0.0"},
		{"Debian.EFI", false, true, "", "clipos-efiboot", "5.0.0"},
		{"clipos-5.7.0-RC.1.efi", false, true, "", "clipos-efiboot", "5.0.0"},
		{"README", false, false, "", "", ""},
		{"clipos-5.8.0+x.efi", false, false, "", "", ""},
		{"unnamed.efi", false, false, "", "", "1"},
		{"clipos-server-5.0.0.efi", false, true, "", "clipos-efiboot", "5.0.0"},
		{"clipos-6.0.0.efi.bak", false, false, "", "", ""},
		{"clipos-6.1.0+0-3.efi", true, true, "", "clipos-efiboot", "5.0.0"},
		{"clipos-6.2.0-alpha.1.efi", true, true, "", "img", "1~2"},
		{"clipos-6.3.0-alpha.1.efi", true, true, "", "", "7"},
		{"clipos-6.4.0-alpha.1.1.efi", true, false, "cut short: 3000 of ", "", ""},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			e := entryNamed(t, s, test.file)
			if e.Ours != test.ours || e.Bootable != test.bootable || e.SortKey != test.key || e.OSVersion != test.version {
				t.Errorf("%+v", e)
			}
			if test.damaged == "" != (e.Damaged == nil) || e.Damaged != nil && !strings.HasPrefix(e.Damaged.Error(), test.damaged) {
				t.Errorf("damaged: %v", e.Damaged)
			}
			if name, ours := ParseName(product, test.file); ours != e.Ours || name != e.Name {
				t.Errorf("name %+v", e.Name)
			}
			if e.SizeBytes != int64(len(files[test.file])) {
				t.Errorf("%d bytes", e.SizeBytes)
			}
		})
	}
	if len(s.Entries) != len(files) || len(tests) != len(files) {
		t.Errorf("%d entries of %d", len(s.Entries), len(files))
	}
	if !slices.IsSortedFunc(s.Entries, func(a, b Entry) int { return strings.Compare(a.File, b.File) }) {
		t.Error("not by name")
	}
	if s.FreeBytes <= 0 || s.BlockBytes < 512 {
		t.Errorf("%d bytes free, blocks of %d", s.FreeBytes, s.BlockBytes)
	}
	wantSnapshot(t, dir, before)
}

// A file is the same entry before it has its name as it is afterwards.
func TestNewEntry(t *testing.T) {
	image := buildUKI(t, osRelease("5.0.0"))
	for file, content := range map[string][]byte{
		"clipos-5.0.0.efi": image, "clipos-5.1.0+3.efi": half(image), "clipos-5.2.0.efi.new": image,
		"clipos-5.3.0.efi": nil, "clipos-5.4.0.efi": []byte("text"), "debian.efi": half(image),
	} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, file), content)
			want := entryNamed(t, survey(t, New(dir, product, Options{})), file)
			got := NewEntry(product, file, bytes.NewReader(content), int64(len(content)))
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%+v, want %+v", got, want)
			}
			if errors.Is(got.Damaged, ErrCutShort) != (file == "clipos-5.1.0+3.efi") {
				t.Errorf("damaged: %v", got.Damaged)
			}
		})
	}
}

// What is no regular file belongs to nobody, whatever its name.
func TestSurveyForeign(t *testing.T) {
	dir := t.TempDir()
	foreign(t, dir)
	before := snapshot(t, dir)
	var ours []string
	for _, e := range survey(t, New(dir, product, Options{})).Entries {
		if e.Ours {
			ours = append(ours, e.File)
		} else if e.Damaged != nil || e.Bootable || e.Name != (Name{}) && e.SizeBytes == 0 {
			t.Errorf("%+v", e)
		}
	}
	if want := []string{"clipos-5.0.0-alpha.0.efi", "clipos-5.0.0-alpha.1.efi"}; !slices.Equal(ours, want) {
		t.Errorf("%q are ours, want %q", ours, want)
	}
	wantSnapshot(t, dir, before)
}

func TestSurveyFreeBytes(t *testing.T) {
	dir := mountTemporary(t, "-t", "tmpfs", "-o", "size=1m", "none")
	p := New(dir, product, Options{})
	if s := survey(t, p); s.FreeBytes != 1<<20 || s.BlockBytes != int64(os.Getpagesize()) {
		t.Errorf("%d bytes free, blocks of %d", s.FreeBytes, s.BlockBytes)
	}
	writeFile(t, filepath.Join(dir, "x"), make([]byte, 100<<10))
	if s := survey(t, p); s.FreeBytes != 924<<10 {
		t.Errorf("%d bytes free", s.FreeBytes)
	}
}

func TestSurveyTooManyFiles(t *testing.T) {
	dir := mountTemporary(t, "-t", "tmpfs", "none")
	for n := range maxFiles + 1 {
		writeFile(t, filepath.Join(dir, fmt.Sprint(n)), nil)
	}
	_, err := New(dir, product, Options{}).Survey()
	if err == nil || err.Error() != "folder "+dir+": more than 4096 files" {
		t.Errorf("%v", err)
	}
	if err := os.Remove(filepath.Join(dir, "0")); err != nil {
		t.Fatal(err)
	}
	survey(t, New(dir, product, Options{}))
}
