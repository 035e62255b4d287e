// SPDX-License-Identifier: LGPL-2.1-or-later

package webroot

import (
	"fmt"
	"os"
	"path/filepath"
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
