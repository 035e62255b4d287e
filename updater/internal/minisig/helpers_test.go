// SPDX-License-Identifier: LGPL-2.1-or-later

package minisig

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The files in testdata were made with minisign 0.11 and a key that was
// thrown away:
//
//	minisign -G -W -p key.pub -s KEY
//	minisign -S -s KEY -t 5.0.0-alpha.3 -m payload -x payload.sig
//	minisign -S -l -s KEY -t 5.0.0-alpha.3 -m payload -x payload-legacy.sig
//	(cat payload-legacy.sig; tail -c 21 payload.sig) > payload-stale.sig
const testComment = "5.0.0-alpha.3"

// signatureFiles are the signatures of testdata/payload.
var signatureFiles = []string{"payload.sig", "payload-legacy.sig", "payload-stale.sig"}

func testdata(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func mustParseKey(tb testing.TB, text []byte) Key {
	tb.Helper()
	k, err := ParseKey(text)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func mustParse(tb testing.TB, text []byte) Signature {
	tb.Helper()
	s, err := Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// check runs the whole protocol: parse, check the comment, verify.
func check(k Key, signature, payload []byte) error {
	s, err := Parse(signature)
	if err != nil {
		return err
	}
	if err := k.CheckComment(s); err != nil {
		return err
	}
	v := k.NewVerifier(s)
	if _, err := v.Write(payload); err != nil {
		return err
	}
	return v.Verify()
}

func wantInvalid(tb testing.TB, what string, err error) {
	tb.Helper()
	if !errors.Is(err, ErrInvalid) {
		tb.Errorf("%s: got %v, want %v", what, err, ErrInvalid)
	}
}

// tool finds a program the tests need.
func tool(tb testing.TB, name, debianPackage string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		tb.Fatalf("%v: install the Debian package %s", err, debianPackage)
	}
	return path
}

// signer is a key pair of the real minisign in a temporary folder.
type signer struct {
	minisign, dir string
	key           Key
}

func newSigner(tb testing.TB) *signer {
	tb.Helper()
	s := &signer{minisign: tool(tb, "minisign", "minisign"), dir: tb.TempDir()}
	s.run(tb, "-G", "-W", "-p", s.path("pub"), "-s", s.path("key"))
	text, err := os.ReadFile(s.path("pub"))
	if err != nil {
		tb.Fatal(err)
	}
	s.key = mustParseKey(tb, text)
	return s
}

// testSigner verifies with the key of testdata, whose other half is gone.
func testSigner(tb testing.TB) *signer {
	tb.Helper()
	s := &signer{minisign: tool(tb, "minisign", "minisign"), dir: tb.TempDir()}
	text := testdata(tb, "key.pub")
	s.write(tb, "pub", text)
	s.key = mustParseKey(tb, text)
	return s
}

func (s *signer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *signer) write(tb testing.TB, name string, data []byte) string {
	tb.Helper()
	if err := os.WriteFile(s.path(name), data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return s.path(name)
}

func (s *signer) run(tb testing.TB, args ...string) {
	tb.Helper()
	if out, err := exec.Command(s.minisign, args...).CombinedOutput(); err != nil {
		tb.Fatalf("minisign %q: %v\n%s", args, err, out)
	}
}

// sign has minisign sign payload, legacy or prehashed.
func (s *signer) sign(tb testing.TB, payload []byte, legacy bool) []byte {
	tb.Helper()
	args := []string{
		"-S", "-s", s.path("key"), "-t", testComment,
		"-m", s.write(tb, "signed", payload), "-x", s.path("signed.sig"),
	}
	if legacy {
		args = append(args, "-l")
	}
	s.run(tb, args...)
	signature, err := os.ReadFile(s.path("signed.sig"))
	if err != nil {
		tb.Fatal(err)
	}
	return signature
}

// accepts tells what minisign makes of a signature: nil when it is valid.
func (s *signer) accepts(tb testing.TB, signature, payload []byte) error {
	tb.Helper()
	return exec.Command(s.minisign, "-V", "-q", "-p", s.path("pub"),
		"-m", s.write(tb, "candidate", payload), "-x", s.write(tb, "candidate.sig", signature)).Run()
}

// replaceLine gives a text one other line, counted from 1.
func replaceLine(text []byte, number int, line string) []byte {
	lines := bytes.Split(text, []byte("\n"))
	lines[number-1] = []byte(line)
	return bytes.Join(lines, []byte("\n"))
}

// line is a line of a text, counted from 1.
func line(text []byte, number int) string {
	return string(bytes.Split(text, []byte("\n"))[number-1])
}
