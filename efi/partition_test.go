// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMountCheck(t *testing.T) {
	tests := []struct {
		name    string
		m       mount
		realESP bool
		want    string // "" is usable
	}{
		{"a FAT partition", mount{fat: true}, true, ""},
		{"read-only", mount{fat: true, readOnly: true}, true, "mounted read-only"},
		{"part of the root file system", mount{rootDevice: true}, true, "part of the root file system"},
		{"the root is FAT", mount{fat: true, rootDevice: true}, true, "part of the root file system"},
		{"another file system", mount{}, true, "not a FAT file system"},
		{"a fake system", mount{rootDevice: true}, false, ""},
		{"a fake system, read-only", mount{readOnly: true}, false, "mounted read-only"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.m.check(test.realESP)
			if test.want == "" && err == nil {
				return
			}
			if !errors.Is(err, ErrNotMounted) || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// Every verb refuses, and nothing changes, where there is no partition.
func TestNotMounted(t *testing.T) {
	tests := []struct {
		name   string
		make   func(t *testing.T) string
		option Options
	}{
		{"missing", func(t *testing.T) string { return filepath.Join(t.TempDir(), "EFI", "Linux") }, Options{}},
		{"a file", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "Linux")
			writeFile(t, path, nil)
			return path
		}, Options{}},
		{"below a file", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "EFI")
			writeFile(t, path, nil)
			return filepath.Join(path, "Linux")
		}, Options{}},
		{"a link to a folder", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "Linux")
			if err := os.Symlink(t.TempDir(), path); err != nil {
				t.Fatal(err)
			}
			return path + "/" // would be followed
		}, Options{}},
		{"part of the root file system", func(t *testing.T) string { return t.TempDir() }, Options{RealESP: true}},
		{"not a FAT file system", func(t *testing.T) string { return mountTemporary(t, "-t", "tmpfs", "none") }, Options{RealESP: true}},
		{"mounted read-only", func(t *testing.T) string { return mountTemporary(t, "-t", "tmpfs", "-o", "ro", "none") }, Options{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := test.make(t)
			p := New(dir, product, test.option)
			p.before = func(what, file string) error {
				t.Errorf("%s %s", what, file)
				return nil
			}
			_, err := p.Survey()
			_, stageErr := p.Stage(t.Context(), "clipos-5.0.0.efi", strings.NewReader("image"))
			for verb, err := range map[string]error{
				"Survey": err, "Stage": stageErr, "Remove": p.Remove("clipos-5.0.0.efi"), "Publish": p.Publish("clipos-5.0.0.efi"),
			} {
				if !errors.Is(err, ErrNotMounted) || !strings.Contains(err.Error(), filepath.Clean(dir)) {
					t.Errorf("%s: %v", verb, err)
				}
			}
		})
	}
}
