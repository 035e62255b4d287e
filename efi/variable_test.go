// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

const (
	defaultFile  = "LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
	selectedFile = "LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
)

// variableBytes is a variable as efivarfs shows it.
func variableBytes(attributes byte, value string) []byte {
	data := []byte{attributes, 0, 0, 0}
	for _, unit := range utf16.Encode([]rune(value)) {
		data = append(data, byte(unit), byte(unit>>8))
	}
	return data
}

// withVariables makes a partition and the folder of its variables.
func withVariables(t *testing.T, files map[string][]byte) (*Partition, string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		writeFile(t, filepath.Join(dir, name), content)
	}
	return New(t.TempDir(), product, Options{VariablesDir: dir}), dir
}

func TestSurveyVariables(t *testing.T) {
	tests := []struct {
		name              string
		selected, pinned  []byte
		wantSel, wantPins string
	}{
		{"as systemd-boot writes them", variableBytes(6, "clipos-5.0.0+3.efi\x00"), variableBytes(7, "clipos-5.0.0.ef[i]\x00"), "clipos-5.0.0+3.efi", "clipos-5.0.0.ef[i]"},
		{"without NUL", variableBytes(6, "a.efi"), variableBytes(7, "b.efi"), "a.efi", "b.efi"},
		{"more behind the NUL", variableBytes(6, "a.efi\x00junk\x00"), variableBytes(7, "\x00b"), "a.efi", ""},
		{"empty files", nil, nil, "", ""},
		{"too short", []byte{6, 0, 0}, []byte{7}, "", ""},
		{"half a character", append(variableBytes(6, "a"), 'b'), variableBytes(7, ""), "a", ""},
		{"not a character", append(variableBytes(6, "a"), 0, 0xd8, 'b', 0), nil, "a\ufffdb", ""},
		{"endless", variableBytes(6, strings.Repeat("x", 100_000)), nil, strings.Repeat("x", 512), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, _ := withVariables(t, map[string][]byte{selectedFile: test.selected, defaultFile: test.pinned})
			s := survey(t, p)
			if s.Selected != test.wantSel || s.Default != test.wantPins || !s.DefaultWritable {
				t.Errorf("selected %.80q, default %q, %v", s.Selected, s.Default, s.DefaultWritable)
			}
		})
	}
}

// A machine without the variables, or with broken ones, has no default that could be set.
func TestNoVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	broken := t.TempDir()
	for _, name := range []string{defaultFile, selectedFile} {
		if err := os.Mkdir(filepath.Join(broken, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := t.TempDir()
	writeFile(t, filepath.Join(link, "target"), variableBytes(7, "a.efi"))
	if err := os.Symlink("target", filepath.Join(link, defaultFile)); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"none": "", "missing": filepath.Join(t.TempDir(), "efivars"), "a file": file,
		"a folder in their place": broken, "a link in their place": link,
		"read-only": mountTemporary(t, "-t", "tmpfs", "-o", "ro", "none"),
	} {
		t.Run(name, func(t *testing.T) {
			p := New(t.TempDir(), product, Options{VariablesDir: dir})
			if s := survey(t, p); s.Selected != "" || s.Default != "" || s.DefaultWritable {
				t.Errorf("selected %q, default %q, %v", s.Selected, s.Default, s.DefaultWritable)
			}
			var before map[string]string
			if dir == link || dir == broken {
				before = snapshot(t, dir)
			}
			if err := p.SetDefault("clipos-5.0.0.efi"); !errors.Is(err, ErrNoVariables) {
				t.Errorf("%v", err)
			}
			if before != nil {
				wantSnapshot(t, dir, before)
			}
		})
	}
}

// On a real machine a plain folder is where efivarfs should be mounted.
func TestVariablesNotMounted(t *testing.T) {
	p := New(t.TempDir(), product, Options{VariablesDir: t.TempDir(), RealESP: true})
	if p.variablesWritable() {
		t.Error("a plain folder passes for efivarfs")
	}
}

func TestSetDefault(t *testing.T) {
	p, dir := withVariables(t, map[string][]byte{selectedFile: variableBytes(6, "a.efi\x00"), "Other-1": []byte("x")})
	before := snapshot(t, dir)
	for _, value := range []string{"clipos-5.0.0-alpha.3[.+][1-9e]*", "a.efi", "clipos-5.0.0.ef[i]"} {
		if err := p.SetDefault(value); err != nil {
			t.Fatal(err)
		}
		wantSnapshot(t, dir, with(before, defaultFile, variableBytes(7, value+"\x00")))
		if s := survey(t, p); s.Default != value {
			t.Errorf("%q, want %q", s.Default, value)
		}
	}
	for range 2 {
		if err := p.SetDefault(""); err != nil {
			t.Fatal(err)
		}
		wantSnapshot(t, dir, before)
	}
}

// Flash memory wears: what is stored already is not stored again.
func TestSetDefaultSame(t *testing.T) {
	stored := variableBytes(0x37, "clipos-5.0.0.ef[i]\x00")
	p, dir := withVariables(t, map[string][]byte{defaultFile: stored})
	if err := p.SetDefault("clipos-5.0.0.ef[i]"); err != nil {
		t.Fatal(err)
	}
	wantSnapshot(t, dir, with(nil, defaultFile, stored))
}

func TestSetDefaultRefuses(t *testing.T) {
	p, dir := withVariables(t, map[string][]byte{defaultFile: variableBytes(7, "a.efi\x00")})
	before := snapshot(t, dir)
	for _, value := range []string{"a\x00b", "a\n", "é", "\x7f", strings.Repeat("x", 256)} {
		err := p.SetDefault(value)
		if err == nil || errors.Is(err, ErrNoVariables) {
			t.Errorf("%q: %v", value, err)
		}
	}
	wantSnapshot(t, dir, before)
	if err := p.SetDefault(strings.Repeat("x", 255)); err != nil {
		t.Error(err)
	}
}

// efivarfs guards its files by a flag; ext4 has the same one.
func TestSetDefaultImmutable(t *testing.T) {
	dir, _ := mountExt4(t, 8<<20)
	p := New(t.TempDir(), product, Options{VariablesDir: dir})
	v := p.variable(entryDefault)
	writeFile(t, v.path, variableBytes(7, "clipos-5.0.0.efi.old\x00"))
	others := without(snapshot(t, dir), defaultFile)
	for _, value := range []string{"clipos-5.0.0.ef[i]", "clipos-5.0.1.ef[i]", ""} {
		if _, err := v.setImmutable(true); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(v.path, nil, 0o600); !errors.Is(err, unix.EPERM) {
			t.Fatalf("the file is not guarded: %v", err)
		}
		if err := p.SetDefault(value); err != nil {
			t.Fatal(err)
		}
		if value == "" {
			break
		}
		wantSnapshot(t, dir, with(others, defaultFile, variableBytes(7, value+"\x00")))
		if was, err := v.setImmutable(false); err != nil || !was {
			t.Errorf("the file is not guarded any more: %v", err)
		}
	}
	if got := snapshot(t, dir); !maps.Equal(got, others) {
		t.Errorf("%q", got)
	}
}

// The folder of variables is full: what was there stays.
func TestSetDefaultFull(t *testing.T) {
	dir := mountTemporary(t, "-t", "tmpfs", "-o", "nr_inodes=1", "none")
	p := New(t.TempDir(), product, Options{VariablesDir: dir})
	if err := p.SetDefault("clipos-5.0.0.ef[i]"); !errors.Is(err, ErrNoVariables) || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v", err)
	}
	wantSnapshot(t, dir, nil)
}

// FuzzVariable: what the firmware holds is read the same in another way, and
// what is ours comes back from how it is stored.
func FuzzVariable(f *testing.F) {
	f.Add(variableBytes(6, "clipos-5.0.0+3.efi\x00"))
	f.Add(variableBytes(7, "clipos-5.0.0.ef[i]\x00junk\x00"))
	f.Add(append(variableBytes(6, "a"), 0, 0xd8, 'b'))
	f.Add([]byte{6, 0, 0})
	path := filepath.Join(f.TempDir(), defaultFile)
	f.Fuzz(func(t *testing.T, data []byte) {
		writeFile(t, path, data)
		got, err := variable{path}.read()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(got, "\x00") || !utf8.ValidString(got) || len(utf16.Encode([]rune(got))) > maxVariableBytes/2 {
			t.Errorf("read %q", got)
		}
		again := decodeString(variableBytes(7, got)[attributesBytes:])
		if again != got {
			t.Errorf("read %q, written and read again %q", got, again)
		}
		if checkDefault(got) != nil {
			return
		}
		if err := (variable{path}).write(got); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	})
}
