// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/signing"
	"github.com/clipos/updater/test/pty"
)

// A key whose password is "correct horse" and cheap to try.
const encryptedKey = `untrusted comment: minisign secret key A92CEEF81CF27986
RWRTY0IypCINMW1JPA+HFoczWAQANO7ZXeKrauD9zZ6DXXKPgs4AgAAAAAAAAAAAAAEAAAAALAlI1hTeMPvW+ZVVUIhO0cNU4SUbm1TX7Zmg2bE4jaglrkm0T+Y0pDl23WEsOg8gJKGdD90Bj1Pgo+rGOwJ6TGF8We+ZJFCAOsXDzGiqjp9Vf969SN6dil/rm6ktlLvYkmN+Hwyj3wc=
`

// The password comes from a file, a descriptor or the terminal.
func TestPassword(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "x.key")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("x.key", encryptedKey)
	t.Run("file", func(t *testing.T) {
		k, err := (&keyOptions{key: key, passwordFile: write("right", "correct horse\n")}).load(t.Context(), &session{})
		if err != nil || k.ID() != "A92CEEF81CF27986" {
			t.Error(k, err)
		}
	})
	t.Run("wrong", func(t *testing.T) {
		if _, err := (&keyOptions{key: key, passwordFile: write("wrong", "battery\n")}).load(t.Context(), &session{}); !errors.Is(err, signing.ErrPassword) {
			t.Error(err)
		}
	})
	t.Run("descriptor", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := w.WriteString("correct horse\n"); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		o := keyOptions{key: key, passwordFile: "/dev/fd/" + strconv.Itoa(int(r.Fd()))}
		if _, err := o.load(t.Context(), &session{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("terminal", func(t *testing.T) {
		terminal, screen := pty.Open(t)
		done := make(chan error, 1)
		go func() {
			_, err := (&keyOptions{key: key}).load(t.Context(), &session{in: terminal, log: terminal})
			done <- err
		}()
		screen.Await(t, "Password of "+key+": ")
		screen.Type(t, "correct horse\n")
		if err := <-done; err != nil || strings.Contains(screen.String(), "horse") {
			t.Errorf("%v; shown: %q", err, screen.String())
		}
	})
	t.Run("readable by others", func(t *testing.T) {
		if err := os.Chmod(key, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := (&keyOptions{key: key}).load(t.Context(), &session{})
		var h hinted
		if !errors.Is(err, signing.ErrReadable) || !errors.As(err, &h) || h.hint != "chmod 600 "+key {
			t.Error(err)
		}
	})
}
