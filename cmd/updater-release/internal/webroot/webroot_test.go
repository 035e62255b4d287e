// SPDX-License-Identifier: LGPL-2.1-or-later

package webroot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipos/updater/policy"
)

func TestPatchFrom(t *testing.T) {
	r := New("/srv", "clipos")
	for name, want := range map[string]string{
		"clipos-core.from-5.0.0-alpha.1.patch":      "5.0.0-alpha.1",
		"clipos-core.from-5.0.0.patch":              "5.0.0",
		"clipos-core.from-5.0.0.patch.sig":          "",
		"clipos-core.from-5.0.patch":                "",
		"clipos-core.from-../../x.patch":            "",
		"clipos-core.from-5.0.0":                    "",
		"clipos-core.from-.patch":                   "",
		"other-core.from-5.0.0.patch":               "",
		"clipos-efiboot.from-5.0.0.patch":           "",
		"clipos-core.from-5.0.0+instrumented.patch": "",
	} {
		v, ok := r.PatchFrom(name)
		if v.String() != want || ok != (want != "") {
			t.Errorf("%q: %q, %t", name, v, ok)
		}
		if ok && r.Patch(v) != name {
			t.Errorf("%q: named %q", name, r.Patch(v))
		}
	}
}

// The newest is first, in the order of semantic versions, and only releases
// count.
func TestVersions(t *testing.T) {
	r := New(t.TempDir(), "clipos")
	if v, err := r.Versions(); err != nil || v != nil {
		t.Errorf("%v, %v", v, err)
	}
	for _, name := range []string{"5.0.0", "5.0.0-beta.3", "10.0.0", "9.0.0", "latest", "5.0", ".5.0.1"} {
		if err := os.MkdirAll(filepath.Join(r.Dist(), name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(r.Dist(), "6.0.0"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("9.0.0", filepath.Join(r.Dist(), "7.0.0")); err != nil {
		t.Fatal(err)
	}
	v, err := r.Versions()
	if got := fmt.Sprint(v); err != nil || got != "[10.0.0 9.0.0 5.0.0 5.0.0-beta.3]" {
		t.Errorf("%s, %v", got, err)
	}
	for text, want := range map[string]bool{"9.0.0": true, "6.0.0": false, "7.0.0": false, "8.0.0": false} {
		v, err := policy.ParseVersion(text)
		if err != nil || r.Has(v) != want {
			t.Errorf("%s: %t, %v", text, !want, err)
		}
	}
}

// The mode of a file that is replaced stays; others may not read who is where.
func TestReplaceFileMode(t *testing.T) {
	r := New(t.TempDir(), "clipos")
	file := filepath.Join(r.Dir, "channels.toml")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := r.ReplaceFile(file, []byte("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "new" {
		t.Errorf("%q, %v", text, err)
	}
}

// A file that is a link stays one, and what it leads to is replaced where it is.
func TestReplaceFileThroughLink(t *testing.T) {
	dir := t.TempDir()
	r := New(filepath.Join(dir, "webroot"), "clipos")
	kept, link := filepath.Join(dir, "kept"), filepath.Join(dir, "channels.toml")
	for _, err := range []error{
		os.Mkdir(kept, 0o755), os.WriteFile(filepath.Join(kept, "real"), []byte("old"), 0o600),
		os.Symlink("real", filepath.Join(kept, "second")), os.Symlink("kept/second", link),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := r.ReplaceFile(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != "kept/second" {
		t.Errorf("the link is %q, %v", to, err)
	}
	info, err := os.Lstat(filepath.Join(kept, "real"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(link); err != nil || string(text) != "new" {
		t.Errorf("%q, %v", text, err)
	}
	for name, want := range map[string]int{dir: 2, kept: 2} {
		if left, err := os.ReadDir(name); err != nil || len(left) != want {
			t.Errorf("%v, %v", left, err)
		}
	}
}

// What a server hands out is what is in the web root, by whatever way.
func TestHolds(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "real/sub"), 0o755), os.Mkdir(filepath.Join(dir, "realm"), 0o755),
		os.Symlink("real", filepath.Join(dir, "webroot")), os.Symlink("real/sub", filepath.Join(dir, "way")),
		os.WriteFile(filepath.Join(dir, "real/in.toml"), nil, 0o644), os.WriteFile(filepath.Join(dir, "out.toml"), nil, 0o644),
		os.Symlink("real/in.toml", filepath.Join(dir, "leads-in.toml")), os.Symlink("../out.toml", filepath.Join(dir, "real/leads-out.toml")),
		os.Symlink("webroot/none.toml", filepath.Join(dir, "dangling.toml")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]bool{
		"out.toml": false, "none.toml": false, "none/none.toml": false, "realm/in.toml": false, "webroot/../out.toml": false,
		"webroot/in.toml": true, "real/in.toml": true, "webroot/none.toml": true, "webroot/none/none.toml": true, "way/none.toml": true,
		"leads-in.toml": true, "webroot/leads-out.toml": true, "webroot/..none.toml": true,
	} {
		for _, root := range []string{"webroot", "real"} {
			got, err := New(filepath.Join(dir, root), "").Holds(filepath.Join(dir, file))
			if err != nil || got != want {
				t.Errorf("%s in %s: %t, %v", file, root, got, err)
			}
		}
	}
	if _, err := New(filepath.Join(dir, "webroot"), "").Holds(filepath.Join(dir, "dangling.toml")); err == nil || !strings.HasSuffix(err.Error(), "a link to webroot/none.toml, which is not there") {
		t.Error(err)
	}
	if got, err := New(filepath.Join(dir, "none"), "").Holds(filepath.Join(dir, "none/channels.toml")); err != nil || !got {
		t.Errorf("before there is a web root: %t, %v", got, err)
	}
}
