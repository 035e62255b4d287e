// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/signing"
)

// A release is judged by the public key that clients have. Only where nothing is
// offered and no file was named may it be missing.
func TestSignerJudge(t *testing.T) {
	dir := t.TempDir()
	generate := func(name string) (*signing.Key, string) {
		public := filepath.Join(dir, name+".pub")
		k, err := signing.Generate(filepath.Join(dir, name+".key"), public, "")
		if err != nil {
			t.Fatal(err)
		}
		return k, public
	}
	ours, public := generate("ours")
	other, _ := generate("other")
	broken, gone := filepath.Join(dir, "broken.pub"), filepath.Join(dir, "gone.pub")
	if err := os.WriteFile(broken, []byte("nothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key      *signing.Key
		pubkey   string
		required bool
		want     error  // or
		text     string // the beginning of the error
		hint     string // likewise
	}{
		"its own":           {key: ours, pubkey: public, required: true},
		"its own, at hand":  {key: ours, pubkey: public},
		"another":           {other, public, true, nil, "the secret key is " + other.ID() + ", and clients believe " + ours.ID() + " alone", "--key FILE"},
		"another, at hand":  {other, public, false, nil, "the secret key is " + other.ID(), "--key FILE"},
		"missing":           {key: ours, pubkey: gone},
		"missing, required": {ours, gone, true, fs.ErrNotExist, "open ", "--pubkey FILE"},
		"broken":            {ours, broken, false, nil, broken + ": public key: ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			j, err := (&session{}).signerJudge("clipos", c.key, c.pubkey, c.required, workOptions{})
			if c.text == "" {
				if err != nil || j.KeyID() != c.key.ID() {
					t.Errorf("%v", err)
				}
				return
			}
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), c.text) {
				t.Fatalf("%v, want %v or %q", err, c.want, c.text)
			}
			var h hinted
			if errors.As(err, &h); !strings.HasPrefix(h.hint, c.hint) {
				t.Errorf("hint %q, want %q", h.hint, c.hint)
			}
		})
	}
}
