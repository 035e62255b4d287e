// SPDX-License-Identifier: LGPL-2.1-or-later

package release

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBuild(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		magic   string
		offset  int64
	}{
		{"as CLIP OS", Options{}, "hsqs", 0},
		{"EROFS", Options{FileSystem: EROFS}, "\xe2\xe1\xf5\xe0", 1024},
		{"systemd's parameters", Options{Style: StyleSystemd}, "hsqs", 0},
		{"without error correction", Options{NoErrorCorrection: true}, "hsqs", 0},
		{"legacy signature", Options{Legacy: true}, "hsqs", 0},
		{"other names", Options{Product: "other", Group: "vg0"}, "hsqs", 0},
		{"a megabyte", Options{SizeBytes: 1 << 20}, "hsqs", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Version = "5.0.0-alpha.3"
			webroot := t.TempDir()
			r := mustBuild(t, webroot, test.options)
			core := read(t, r.Core)
			if got := string(core[test.offset : test.offset+4]); got != test.magic {
				t.Errorf("core begins with %q, want %q", got, test.magic)
			}
			checkSignature(t, r.Core, test.options.Legacy)
			checkSignature(t, r.Efiboot, test.options.Legacy)
			verify(t, r.Core, r.Verity)
			product := test.options.withDefaults().Product
			checkTree(t, webroot, product)
			document := read(t, filepath.Join(webroot, "update/v1", product, "version"))
			if got, want := string(document), "version = \"5.0.0-alpha.3\"\n"; got != want {
				t.Errorf("version document %q, want %q", got, want)
			}
		})
	}
}

func TestBuildFromFolders(t *testing.T) {
	one := t.TempDir()
	if err := os.WriteFile(filepath.Join(one, "file"), []byte("a needle that is stored as it is"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string][]string{"one": {one}, "two": {one, t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			r := mustBuild(t, t.TempDir(), Options{Version: "1.0.0", From: from})
			if !bytes.Contains(read(t, r.Core), []byte("a needle that is stored as it is")) {
				t.Error("the file is not in the image, or compressed")
			}
		})
	}
}

func TestBuildTwice(t *testing.T) {
	for _, fileSystem := range []FileSystem{Squashfs, EROFS} {
		t.Run(string(fileSystem), func(t *testing.T) {
			o := Options{Version: "1.0.0", FileSystem: fileSystem, Salt: strings.Repeat("0f", 32)}
			one, two := mustBuild(t, t.TempDir(), o), mustBuild(t, t.TempDir(), o)
			if !bytes.Equal(read(t, one.Core), read(t, two.Core)) {
				t.Error("core: a fixed salt gave different bytes")
			}
			if one.CommandLine != two.CommandLine {
				t.Errorf("command lines %q and %q differ", one.CommandLine, two.CommandLine)
			}
			o.Salt = ""
			if other := mustBuild(t, t.TempDir(), o); other.Verity.RootHash == one.Verity.RootHash {
				t.Error("without a salt the root hash is that of the fixed salt")
			}
		})
	}
}

// TestSquashfsFlags reads the flags in the superblock: inodes, data,
// fragments and extended attributes uncompressed, equal files not merged.
// https://dr-emann.github.io/squashfs/ has their meaning.
func TestSquashfsFlags(t *testing.T) {
	r := mustBuild(t, t.TempDir(), Options{Version: "1.0.0"})
	flags := binary.LittleEndian.Uint16(read(t, r.Core)[24:])
	const uncompressed, merged = 0x1 | 0x2 | 0x8 | 0x100, 0x40
	if flags&uncompressed != uncompressed || flags&merged != 0 {
		t.Errorf("flags are %#x", flags)
	}
}

func TestGenerateTree(t *testing.T) {
	dir := t.TempDir()
	if err := generateTree(dir, Options{Version: "1.0.0", SizeBytes: fileBytes + 1}); err != nil {
		t.Fatal(err)
	}
	var bytes int64
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.ModTime().Unix() != 0 {
			t.Errorf("%s is of %s", path, info.ModTime())
		}
		if strings.Contains(path, "data-") {
			bytes += info.Size()
		}
		return nil
	})
	if err != nil || bytes != fileBytes+1 {
		t.Errorf("%d bytes, %v", bytes, err)
	}
}

// TestBuildAgain rebuilds in place, which must leave nothing of the old one.
func TestBuildAgain(t *testing.T) {
	webroot := t.TempDir()
	old := mustBuild(t, webroot, Options{Version: "1.0.0", SizeBytes: 1 << 20})
	before := read(t, old.Core)
	r := mustBuild(t, webroot, Options{Version: "1.0.0", SizeBytes: 4096})
	if after := read(t, r.Core); len(after) >= len(before) {
		t.Errorf("core has %d bytes, had %d", len(after), len(before))
	}
	checkSignature(t, r.Core, false)
}

func TestErrorCorrection(t *testing.T) {
	r := mustBuild(t, t.TempDir(), Options{Version: "1.0.0"})
	core := read(t, r.Core)
	core[5000] ^= 0xff
	if err := os.WriteFile(r.Core, core, 0o644); err != nil {
		t.Fatal(err)
	}
	verify(t, r.Core, r.Verity)
	r.Verity.ErrorCorrectionOffset = 0
	if err := veritysetupVerify(t, r.Core, r.Verity); err == nil {
		t.Error("the damage is not seen without error correction")
	}
}

func TestKey(t *testing.T) {
	other, err := NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := mustBuild(t, t.TempDir(), Options{Version: "1.0.0", Key: other})
	if output, err := minisignVerify(t, r.Core, PublishedKey()); err == nil {
		t.Errorf("the test key accepts a signature of another: %s", output)
	}
	if output, err := minisignVerify(t, r.Core, other); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

func TestInvalid(t *testing.T) {
	for name, o := range map[string]Options{
		"no version":        {},
		"version a path":    {Version: "../../etc"},
		"product a path":    {Version: "1.0.0", Product: "a/b"},
		"EROFS of two":      {Version: "1.0.0", FileSystem: EROFS, From: []string{"a", "b"}},
		"other file system": {Version: "1.0.0", FileSystem: "ext4"},
		"no such folder":    {Version: "1.0.0", From: []string{"/nonexistent"}},
		"no such kernel":    {Version: "1.0.0", Kernel: "/nonexistent"},
		"no key":            {Version: "1.0.0", Key: Key{Secret: "nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			webroot := t.TempDir()
			if _, err := Build(t.Context(), webroot, o); err == nil {
				t.Fatal("was built")
			}
			left, err := filepath.Glob(filepath.Join(webroot, "update", "*", "*", "*"))
			hidden, err2 := filepath.Glob(filepath.Join(webroot, ".*"))
			if err != nil || err2 != nil || len(left)+len(hidden) != 0 {
				t.Errorf("left behind: %v %v", left, hidden)
			}
		})
	}
}

func mustBuild(t *testing.T, webroot string, o Options) Release {
	t.Helper()
	r, err := Build(t.Context(), webroot, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// checkTree demands that the web root holds a release and nothing else.
func checkTree(t *testing.T, webroot, product string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(webroot, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			got = append(got, strings.TrimPrefix(path, webroot+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	dist := "dist/5.0.0-alpha.3/" + product
	want := []string{dist + "-core", dist + "-core.sig", dist + "-efiboot", dist + "-efiboot.sig", "update/v1/" + product + "/version"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("web root holds %v, want %v", got, want)
	}
}

func checkSignature(t *testing.T, path string, legacy bool) {
	t.Helper()
	// minisign -H refuses what is not prehashed.
	output, err := minisignVerify(t, path, PublishedKey(), "-H")
	if legacy != (err != nil) {
		t.Errorf("prehashed: %v: %s", err, output)
	}
	if output, err = minisignVerify(t, path, PublishedKey()); err != nil {
		t.Errorf("%s: %v: %s", path, err, output)
	}
}

func minisignVerify(t *testing.T, path string, key Key, more ...string) ([]byte, error) {
	t.Helper()
	public := filepath.Join(t.TempDir(), "public")
	if err := os.WriteFile(public, []byte(key.Public), 0o644); err != nil {
		t.Fatal(err)
	}
	return minisign.run(t.Context(), append([]string{"-V", "-p", public, "-m", path, "-x", path + ".sig"}, more...)...)
}

// verify fails the test unless the core image at path is what v says.
func verify(t *testing.T, path string, v Verity) {
	t.Helper()
	if err := veritysetupVerify(t, path, v); err != nil {
		t.Fatal(err)
	}
}

func veritysetupVerify(t *testing.T, path string, v Verity) error {
	t.Helper()
	args := []string{"verify", fmt.Sprintf("--hash-offset=%d", v.HashOffset)}
	if v.ErrorCorrectionOffset != 0 {
		args = append(args, "--fec-device="+path, fmt.Sprintf("--fec-offset=%d", v.ErrorCorrectionOffset))
	}
	_, err := veritysetup.run(t.Context(), append(args, "--", path, path, v.RootHash)...)
	return err
}
