// SPDX-License-Identifier: LGPL-2.1-or-later

package signing

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/clipos/updater/test/keys"
)

const password = "correct horse"

// minisignProgram runs minisign(1), which reads passwords from its standard input.
func minisignProgram(t *testing.T, input string, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/minisign", args...)
	cmd.Stdin = strings.NewReader(input)
	output, err := cmd.CombinedOutput()
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%v (Debian package minisign)", err)
	}
	if err != nil {
		return errors.New(string(output))
	}
	return nil
}

func noPassword() (string, error) { return "", errors.New("asked for a password") }

func knows(secret string) func() (string, error) {
	return func() (string, error) { return secret, nil }
}

func payload(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "payload")
	if err := os.WriteFile(file, bytes.Repeat([]byte("payload\n"), 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// signAndVerify signs with k and has minisign verify, prehashed, and with the
// version in the trusted comment.
func signAndVerify(t *testing.T, k *Key, publicFile string) {
	t.Helper()
	file := payload(t, t.TempDir())
	signature, err := k.Sign(file, "5.1.0-beta.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".sig", signature, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := minisignProgram(t, "", "-V", "-H", "-p", publicFile, "-m", file, "-x", file+".sig"); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(signature, []byte("\ntrusted comment: 5.1.0-beta.1\n")) {
		t.Errorf("%s", signature)
	}
	if err := os.WriteFile(file, []byte("something else"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := minisignProgram(t, "", "-V", "-H", "-p", publicFile, "-m", file, "-x", file+".sig"); err == nil {
		t.Error("minisign takes the signature for another file's")
	}
}

// Our keys and our signatures are good for minisign.
func TestGenerate(t *testing.T) {
	for name, secret := range map[string]string{"with a password": password, "without": ""} {
		t.Run(name, func(t *testing.T) {
			// The cheapest that libsodium knows.
			low := cost{32768, 16777216, 1 << 10}
			dir := t.TempDir()
			secretFile, publicFile := filepath.Join(dir, "x.key"), filepath.Join(dir, "x.pub")
			k, err := generate(secretFile, publicFile, secret, low)
			if err != nil {
				t.Fatal(err)
			}
			for file, want := range map[string]fs.FileMode{secretFile: 0o600, publicFile: 0o644} {
				if info, err := os.Stat(file); err != nil || info.Mode() != want {
					t.Errorf("%s: %v, %v", file, info.Mode(), err)
				}
			}
			signAndVerify(t, k, publicFile)
			file := payload(t, dir)
			if err := minisignProgram(t, secret+"\n", "-S", "-s", secretFile, "-m", file, "-t", "5.0.0"); err != nil {
				t.Errorf("minisign signs with our key: %v", err)
			}
			if err := minisignProgram(t, "", "-V", "-p", publicFile, "-m", file); err != nil {
				t.Errorf("minisign verifies with our key: %v", err)
			}
			ask := knows(secret)
			if secret == "" {
				ask = noPassword
			}
			again, err := Load(secretFile, ask)
			if err != nil || !bytes.Equal(again.Public(), k.Public()) {
				t.Errorf("%v", err)
			}
			if secret == "" {
				return
			}
			if _, err := Load(secretFile, knows("wrong")); !errors.Is(err, ErrPassword) {
				t.Error(err)
			}
		})
	}
}

// What a password costs by default is what minisign believes it costs.
func TestGenerateSensitive(t *testing.T) {
	dir := t.TempDir()
	secretFile, publicFile := filepath.Join(dir, "x.key"), filepath.Join(dir, "x.pub")
	if _, err := Generate(secretFile, publicFile, password); err != nil {
		t.Fatal(err)
	}
	if err := minisignProgram(t, password+"\n", "-S", "-s", secretFile, "-m", payload(t, dir)); err != nil {
		t.Error(err)
	}
}

// minisign's keys are good for us.
func TestLoadMinisignKey(t *testing.T) {
	for name, secret := range map[string]string{"with a password": password, "without": ""} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			secretFile, publicFile := filepath.Join(dir, "x.key"), filepath.Join(dir, "x.pub")
			args := []string{"-G", "-s", secretFile, "-p", publicFile}
			ask := knows(secret)
			if secret == "" {
				args = append(args, "-W")
				ask = noPassword
			}
			if err := minisignProgram(t, secret+"\n"+secret+"\n", args...); err != nil {
				t.Fatal(err)
			}
			k, err := Load(secretFile, ask)
			if err != nil {
				t.Fatal(err)
			}
			signAndVerify(t, k, publicFile)
			public, err := os.ReadFile(publicFile)
			// minisign leaves out the zeros that a key's number begins with.
			number := regexp.MustCompile("key 0*")
			ours, theirs := number.ReplaceAll(k.Public(), nil), number.ReplaceAll(public, nil)
			if err != nil || !bytes.Equal(ours, theirs) {
				t.Errorf("%q, %v; want %q", k.Public(), err, public)
			}
		})
	}
}

func TestGenerateOverwritesNothing(t *testing.T) {
	for _, there := range []string{"x.key", "x.pub"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, there), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Generate(filepath.Join(dir, "x.key"), filepath.Join(dir, "x.pub"), ""); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", there, err)
		}
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(left) != 1 {
			t.Errorf("%s: left %q", there, left)
		}
	}
}

func TestLoadRefused(t *testing.T) {
	readable := func(mode fs.FileMode, text string) string {
		file := filepath.Join(t.TempDir(), "x.key")
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, c := range map[string]struct {
		file string
		want error
	}{
		"not there":          {"/nonexistent", fs.ErrNotExist},
		"readable by others": {readable(0o640, keys.Secret()), ErrReadable},
		"a public key":       {readable(0o600, keys.Public()), nil},
		"empty":              {readable(0o600, ""), nil},
		"truncated":          {readable(0o600, keys.Secret()[:100]), nil},
	} {
		if _, err := Load(c.file, noPassword); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestFirstLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	for text, want := range map[string]string{"a b \r\nc": "a b ", "x": "x", "": "", "\nx": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := FirstLine(file); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
