// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/releasetest"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
)

// The version document is read as clients read it, however it is written.
func TestListDocument(t *testing.T) {
	root := webroot.New(t.TempDir(), "clipos")
	v := releasetest.Version(t, "5.1.0")
	for _, dir := range []string{root.Release(v), filepath.Dir(root.Document())} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]bool{
		"version = \"5.1.0\"\n": true, "# of today\nversion='5.1.0'": true, "version = \"5.0.0\"\n": false, "nonsense": false, "": false,
	} {
		if err := os.WriteFile(root.Document(), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		o, err := newReleaseObject(root, nil, v)
		if err != nil || o.Document != want {
			t.Errorf("%q: %t, %v", text, o.Document, err)
		}
	}
	if err := os.Remove(root.Document()); err != nil {
		t.Fatal(err)
	}
	if o, err := newReleaseObject(root, nil, v); err != nil || o.Document {
		t.Errorf("none: %t, %v", o.Document, err)
	}
}
