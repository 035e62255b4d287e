// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/blake2b"

	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
)

// sign has minisign sign a content with the product's key, or another.
func sign(t *testing.T, key release.Key, content, comment string, legacy bool) (signature string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := key.Sign(t.Context(), file, comment, legacy); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func newKey(t *testing.T) release.Key {
	t.Helper()
	key, err := release.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// withBytes changes the bytes that line n of a signature file encodes.
func withBytes(t *testing.T, signature string, n int, change func([]byte) []byte) string {
	t.Helper()
	lines := strings.Split(signature, "\n")
	data, err := base64.StdEncoding.DecodeString(lines[n-1])
	if err != nil {
		t.Fatal(err)
	}
	lines[n-1] = base64.StdEncoding.EncodeToString(change(data))
	return strings.Join(lines, "\n")
}

// withLines puts other lines in the place of some.
func withLines(signature string, lines map[int]string) string {
	all := strings.Split(signature, "\n")
	for n, line := range lines {
		all[n-1] = line
	}
	return strings.Join(all, "\n")
}

// forgedSignatures are signature files for a genuine file that are not the
// genuine signature.
func forgedSignatures(t *testing.T, webroot, file string) map[string]string {
	t.Helper()
	content, good, other := genuine(t, webroot, file), genuine(t, webroot, file+".sig"), newKey(t)
	stolen := sign(t, other, content, offered, false)
	id := func() []byte { // of the product's key, which is no secret
		data, _ := base64.StdEncoding.DecodeString(strings.Split(good, "\n")[1])
		return data[2:10]
	}()
	lines := strings.Split(good, "\n")
	forged := map[string]string{
		"empty":                           "",
		"one line feed":                   "\n",
		"four empty lines":                "\n\n\n\n",
		"garbage":                         "garbage\n",
		"a web page":                      "<!doctype html>\n<title>404</title>\n",
		"zeros":                           strings.Repeat("\x00", 300),
		"comments alone":                  lines[0] + "\n\n" + lines[2] + "\n\n",
		"without the global signature":    strings.Join(lines[:3], "\n") + "\n",
		"without the comment":             strings.Join(lines[:2], "\n") + "\n",
		"lines in another order":          strings.Join([]string{lines[2], lines[1], lines[0], lines[3]}, "\n"),
		"another key":                     stolen,
		"another key with our id":         withBytes(t, stolen, 2, func(b []byte) []byte { return slices.Concat(b[:2], id, b[10:]) }),
		"another key's, then ours":        stolen + good,
		"our comment, another key's sum":  withLines(good, map[int]string{2: strings.Split(stolen, "\n")[1]}),
		"comment changed":                 strings.Replace(good, offered, "5.0.0-alpha.9", 1),
		"a second comment prefix":         strings.Replace(good, "trusted comment: "+offered, "trusted comment: trusted comment: "+offered, 1),
		"no comment prefix":               withLines(good, map[int]string{3: offered}),
		"a tab in the prefix":             strings.Replace(good, "trusted comment: ", "trusted comment:\t", 1),
		"line feeds doubled":              strings.ReplaceAll(good, "\n", "\n\n"),
		"carriage returns alone":          strings.ReplaceAll(good, "\n", "\r"),
		"a NUL behind":                    withLines(good, map[int]string{4: lines[3] + "\x00"}),
		"base64 for URLs":                 withLines(good, map[int]string{2: "-_" + lines[1][2:]}),
		"base64 without padding":          strings.ReplaceAll(good, "=", ""),
		"a byte order mark":               "\uFEFF" + good,
		"algorithm of nobody":             withBytes(t, good, 2, func(b []byte) []byte { return slices.Concat([]byte("XX"), b[2:]) }),
		"algorithm in small letters":      withBytes(t, good, 2, func(b []byte) []byte { return slices.Concat([]byte("ed"), b[2:]) }),
		"signature of zeros":              withBytes(t, good, 2, func(b []byte) []byte { return append(b[:10:10], make([]byte, 64)...) }),
		"global signature of zeros":       withBytes(t, good, 4, func([]byte) []byte { return make([]byte, 64) }),
		"signature too short":             withBytes(t, good, 2, func(b []byte) []byte { return b[:73] }),
		"signature too long":              withBytes(t, good, 2, func(b []byte) []byte { return append(b, 0) }),
		"all of it twice in the 2nd line": withLines(good, map[int]string{2: lines[1] + lines[1]}),
		"legacy, genuine":                 sign(t, release.PublishedKey(), content, offered, true),
		"4097 bytes":                      good + strings.Repeat("x", 4097-len(good)),
		"1 MiB":                           strings.Repeat("untrusted comment: \n", 1<<20/20),
	}
	// The first of two keys may not stand in for the second.
	forged["another key's global signature"] = withLines(good, map[int]string{4: strings.Split(stolen, "\n")[3]})
	return forged
}

// No .sig, an empty one, garbage, another key's.
func TestForgedSignature(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for name, text := range forgedSignatures(t, webroot, "core") {
		v.forges("core.sig", body(text))
		v.refuses("SignatureInvalid", name)
	}
	for _, missing := range [][]string{{"core.sig"}, {"efiboot.sig"}, {"core.sig", "efiboot.sig"}} {
		for _, code := range []int{http.StatusNotFound, http.StatusGone} {
			others := map[string]http.HandlerFunc{}
			for _, file := range missing {
				others[file] = status(code)
			}
			v.serves(instead(tlsserver.Files(webroot), others))
			v.refuses("SignatureInvalid", fmt.Sprint("no ", missing))
		}
	}
	v.noPayload()
	// Genuine, and for this version: that it is of the other payload shows only
	// in the payload.
	v.forges("core.sig", body(genuine(t, webroot, "efiboot.sig")))
	v.refuses("SignatureInvalid", "that of efiboot")
	v.forges("efiboot.sig", body(genuine(t, webroot, "core.sig")))
	v.refuses("SignatureInvalid", "that of core")
	v.updates()
}

// noPayload asserts that no byte of a payload was asked for.
func (v *victim) noPayload() {
	v.Helper()
	for _, r := range v.server.Requests() {
		if r.Method == http.MethodGet && (strings.HasSuffix(r.Path, "-core") || strings.HasSuffix(r.Path, "-efiboot")) {
			v.Errorf("%s was asked for", r.Path)
		}
	}
}

// A signature of 100 MiB, announced or not, is not read.
func TestHugeSignature(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	const size = 100 << 20
	announced := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		endless("untrusted comment: ")(w, r)
	}
	for name, h := range map[string]http.HandlerFunc{"announced": announced, "endless": endless("x"), "endless line feeds": endless("\n")} {
		for _, file := range []string{"core.sig", "efiboot.sig"} {
			v.forges(file, h)
			v.refuses("SignatureInvalid", name+" "+file)
		}
	}
	for _, r := range v.server.Requests() {
		// A few buffers of the kernel and of TLS are on their way.
		if r.BodyBytes > 16<<20 {
			v.Errorf("%s: %d bytes were sent", r.Path, r.BodyBytes)
		}
	}
	v.updates()
}

// Each byte of both signature files is flipped, but for the text of the first
// line: minisign signs all others and leaves that one to anybody.
func TestEachByteOfSignatureFlipped(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"core.sig", "efiboot.sig"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			good := genuine(t, webroot, file)
			for i := range good {
				if i >= len("untrusted comment: ") && i < strings.IndexByte(good, '\n') {
					continue
				}
				bad := []byte(good)
				bad[i] ^= 1
				v.forges(file, body(string(bad)))
				v.refuses("SignatureInvalid", fmt.Sprintf("byte %d of %s", i, file))
			}
			v.noPayload()
			v.updates()
		})
	}
}

// Nobody signs the untrusted comment: what is in it neither decides anything
// nor reaches a terminal.
func TestUntrustedComment(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	lines := strings.SplitN(genuine(t, webroot, "core.sig"), "\n", 2)
	v.forges("core.sig", body("untrusted comment: \x1b]0;owned\a\x1b[2J trusted comment: 9.9.9\n"+lines[1]))
	tried.Add(1)
	o := v.run()
	if o.exit != 0 || strings.ContainsAny(o.stderr, "\x1b\a") || strings.Contains(o.stderr, "owned") {
		t.Errorf("exit status %d\n%q", o.exit, o.stderr)
	}
	v.installed(webroot)
}

// The algorithm bytes are not signed. Rewritten from "ED" to "Ed", a genuine
// signature is one of the 64 bytes of its payload's digest, and minisign itself
// believes it. It is refused however much the configuration allows.
func TestPrehashedAsLegacy(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	digest := blake2b.Sum512([]byte(genuine(t, webroot, "core")))
	forged := withBytes(t, genuine(t, webroot, "core.sig"), 2, func(b []byte) []byte { return slices.Concat([]byte("Ed"), b[2:]) })
	minisignBelieves(t, string(digest[:]), forged)
	v.serves(instead(tlsserver.Files(webroot), map[string]http.HandlerFunc{"core": body(string(digest[:])), "core.sig": body(forged)}))
	v.refuses("SignatureInvalid", "by default")
	config := v.read("usr/lib/updater/config.toml")
	for _, trust := range []string{"prehashed_only = false", "prehashed_only = false\ncontent_binding = false"} {
		v.write("usr/lib/updater/config.toml", config+"[trust]\n"+trust+"\n")
		v.refuses("SignatureInvalid", trust)
	}
	v.updates()
}

func minisignBelieves(t *testing.T, payload, signature string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"payload": payload, "payload.minisig": signature, "key": release.PublishedKey().Public} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("minisign", "-V", "-p", "key", "-m", "payload")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v (Debian package minisign)\n%s", err, output)
	}
}
