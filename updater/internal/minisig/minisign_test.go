// SPDX-License-Identifier: LGPL-2.1-or-later

package minisig

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestAgainstMinisign asks the real minisign about everything that this
// package is asked about, and wants the same answer but for the rules of
// stricter.
func TestAgainstMinisign(t *testing.T) {
	s, other := newSigner(t), newSigner(t)
	random := rand.NewChaCha8([32]byte{1})
	for _, sizeBytes := range []int{0, 1, 64, 128, minLegacyBytes - 1, minLegacyBytes, minLegacyBytes + 1, 1<<20 + 7} {
		payload := make([]byte, sizeBytes)
		random.Read(payload)
		for _, legacy := range []bool{false, true} {
			signature := s.sign(t, payload, legacy)
			t.Run(fmt.Sprintf("%d bytes, legacy %t", sizeBytes, legacy), func(t *testing.T) {
				for _, c := range variants(signature, other.sign(t, payload, legacy), payload) {
					compareWithMinisign(t, s, c)
				}
			})
		}
	}
}

type variant struct {
	name               string
	signature, payload []byte
}

// variants are a genuine signature and payload, and ways to change either.
func variants(signature, foreign, payload []byte) []variant {
	longer := append(slices.Clone(payload), 0)
	flipped := slices.Clone(longer)[:max(1, len(payload))]
	flipped[len(flipped)-1] ^= 1
	s := line(signature, 2)
	return []variant{
		{"genuine", signature, payload},
		{"payload longer", signature, longer},
		{"payload flipped", signature, flipped},
		{"payload shorter", signature, payload[:max(0, len(payload)-1)]},
		{"prehashed rewritten as legacy", rewriteAlgorithm(signature, algorithmLegacy), payload},
		{"legacy rewritten as prehashed", rewriteAlgorithm(signature, algorithmPrehashed), payload},
		{"another key", foreign, payload},
		{"another comment", replaceLine(signature, 3, trustedPrefix+"5.0.0-alpha.4"), payload},
		{"another signature", replaceLine(signature, 2, s[:20]+line(foreign, 2)[20:]), payload},
		{"another global signature", replaceLine(signature, 4, line(foreign, 4)), payload},
		{"CRLF", bytes.ReplaceAll(signature, []byte("\n"), []byte("\r\n")), payload},
		{"CR CR LF", bytes.ReplaceAll(signature, []byte("\n"), []byte("\r\r\n")), payload},
		{"no line feed at the end", bytes.TrimSuffix(signature, []byte("\n")), payload},
		{"a fifth line", append(slices.Clone(signature), "zzWdnu==\n"...), payload},
		{"no untrusted prefix", replaceLine(signature, 1, "comment"), payload},
		{"no trusted prefix", replaceLine(signature, 3, testComment), payload},
		{"NUL in the comment", replaceLine(signature, 1, untrustedPrefix+"a\x00b"), payload},
		{"space behind", replaceLine(signature, 2, s+" "), payload},
		{"empty", nil, payload},
		{"line feeds", bytes.Repeat([]byte("\n"), 4), payload},
		{"garbage", []byte(strings.Repeat("garbage\n", 4)), payload},
	}
}

// compareWithMinisign demands the answer of minisign: whatever it refuses is
// refused, and what it takes is taken unless one of our own rules says why not.
func compareWithMinisign(t *testing.T, s *signer, c variant) {
	t.Helper()
	got, want := check(s.key, c.signature, c.payload), s.accepts(t, c.signature, c.payload)
	if got != nil {
		wantInvalid(t, c.name, got)
	}
	switch rule := stricter(c.signature, c.payload); {
	case got == nil && rule != "":
		t.Errorf("%s: accepted with %s: %q", c.name, rule, c.signature)
	case got == nil && want != nil:
		t.Errorf("%s: accepted, minisign says %v: %q", c.name, want, c.signature)
	case got != nil && want == nil && rule == "":
		t.Errorf("%s: %v, minisign accepts: %q", c.name, got, c.signature)
	}
}

// stricter names the rule by which this package refuses what minisign may
// accept, "" for none. Each has its reason in the package comment or beside the
// code.
func stricter(signature, payload []byte) string {
	lines := strings.Split(string(signature), "\n")
	lines = lines[:min(len(lines), 4)]
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	all := strings.Join(lines, "\n")
	switch {
	case len(signature) > 4096:
		return "a file over 4 KiB"
	case strings.Contains(all, "\x00"):
		return "a NUL" // where minisign's line ends
	case strings.Contains(all, "\r"):
		return "a carriage return inside a line" // minisign drops any number at the end
	case len(lines[0]) > 1021:
		return "an untrusted comment too long to end in CR LF" // in minisign's buffer
	case len(lines) < 4:
		return ""
	case hasUnusedBits(lines[1]), hasUnusedBits(lines[3]):
		return "base64 with unused bits that are not zero"
	}
	first, _ := base64.StdEncoding.DecodeString(lines[1])
	if bytes.HasPrefix(first, []byte("Ed")) && len(payload) < 4096 {
		return "a legacy signature of less than 4 KiB"
	}
	return ""
}

// hasUnusedBits tells whether something else is the usual spelling of what s
// means in base64.
func hasUnusedBits(s string) bool {
	data, err := base64.StdEncoding.DecodeString(s)
	return err == nil && base64.StdEncoding.EncodeToString(data) != s
}

// TestStricterThanMinisign has, for each rule of stricter, what minisign takes
// and this package does not.
func TestStricterThanMinisign(t *testing.T) {
	s := newSigner(t)
	payload := testdata(t, "payload")
	genuine := s.sign(t, payload, false)
	insert := func(number int, before, after string) []byte {
		return replaceLine(genuine, number, before+line(genuine, number)+after)
	}
	for _, c := range []struct {
		rule               string
		signature, payload []byte
	}{
		{"a file over 4 KiB", append(slices.Clone(genuine), make([]byte, MaxSignatureBytes)...), payload},
		{"a NUL", insert(4, "", "\x00"), payload},
		{"a carriage return inside a line", insert(1, "", "\rx"), payload},
		{"a carriage return inside a line", insert(3, "", "\r\r"), payload},
		{"a carriage return inside a line", insert(4, "", "\r\r"), payload},
		{"an untrusted comment too long to end in CR LF", replaceLine(genuine, 1, untrustedPrefix+strings.Repeat("x", 1022-len(untrustedPrefix))), payload},
		{"base64 with unused bits that are not zero", replaceLine(genuine, 2, withUnusedBits(line(genuine, 2))), payload},
		{"base64 with unused bits that are not zero", replaceLine(genuine, 4, withUnusedBits(line(genuine, 4))), payload},
		{"a legacy signature of less than 4 KiB", s.sign(t, payload[:4095], true), payload[:4095]},
	} {
		if rule := stricter(c.signature, c.payload); rule != c.rule {
			t.Errorf("%s counts as %q", c.rule, rule)
		}
		if err := s.accepts(t, c.signature, c.payload); err != nil {
			t.Errorf("%s: minisign is as strict: %v", c.rule, err)
		}
		wantInvalid(t, c.rule, check(s.key, c.signature, c.payload))
	}
}

// withUnusedBits spells the same bytes otherwise.
func withUnusedBits(encoded string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	spelling := []byte(encoded)
	last := bytes.IndexByte(spelling, '=') - 1
	spelling[last] = digits[strings.IndexByte(digits, spelling[last])^1]
	return string(spelling)
}

// TestEditedAgainstMinisign edits genuine signature files where a parser might
// trip, the same way each time.
func TestEditedAgainstMinisign(t *testing.T) {
	s, payload := testSigner(t), testdata(t, "payload")
	r := rand.New(rand.NewPCG(1, 0))
	accepted := 0
	for range 500 {
		file := testdata(t, signatureFiles[r.IntN(len(signatureFiles))])
		for range 1 + r.IntN(3) {
			file = edit(r, file)
		}
		compareWithMinisign(t, s, variant{"edited", file, payload})
		if check(s.key, file, payload) == nil {
			accepted++
		}
	}
	if accepted < 50 || accepted > 450 {
		t.Errorf("%d of 500 were accepted: the test says little", accepted)
	}
}

// edit changes a text at one place, mostly at the end of a line.
func edit(r *rand.Rand, text []byte) []byte {
	tokens := []string{"\r", "\n", "\r\n", "\x00", " ", "=", "A", "x\x1b[2J", "untrusted comment: ", "é", strings.Repeat("x", 900)}
	token := tokens[r.IntN(len(tokens))]
	lines := bytes.Split(text, []byte("\n"))
	number := r.IntN(len(lines))
	l := lines[number]
	switch r.IntN(6) {
	case 0:
		at := r.IntN(len(l) + 1)
		l = slices.Concat(l[:at], []byte(token), l[at:])
	case 1:
		l = append([]byte(token), l...)
	case 2:
		lines = slices.Insert(lines, number, []byte(token))
		l = lines[number]
	case 3:
		l = l[:max(0, len(l)-1)]
	default:
		l = slices.Concat(l, []byte(token))
	}
	lines[number] = l
	return bytes.Join(lines, []byte("\n"))
}

// FuzzAgainstMinisign asks the real minisign about what the fuzzer finds
// interesting; a process for each takes most of its time.
func FuzzAgainstMinisign(f *testing.F) {
	s, payload := testSigner(f), testdata(f, "payload")
	for _, file := range signatureFiles {
		genuine := testdata(f, file)
		for _, v := range variants(genuine, testdata(f, "payload.sig"), payload) {
			f.Add(v.signature)
		}
	}
	f.Fuzz(func(t *testing.T, signature []byte) {
		compareWithMinisign(t, s, variant{"fuzzed", signature, payload})
	})
}
