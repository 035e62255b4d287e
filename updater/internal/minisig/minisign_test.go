// SPDX-License-Identifier: LGPL-2.1-or-later

package minisig

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestAgainstMinisign asks the real minisign about everything that this
// package is asked about, and wants the same answer. The one difference is
// the payload of less than 4 KiB with a legacy signature.
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

func compareWithMinisign(t *testing.T, s *signer, c variant) {
	t.Helper()
	got, want := check(s.key, c.signature, c.payload), s.accepts(t, c.signature, c.payload)
	if parsed, err := Parse(c.signature); err == nil && !parsed.Prehashed() && len(c.payload) < minLegacyBytes {
		wantInvalid(t, c.name, got)
		return
	}
	if (got == nil) != (want == nil) {
		t.Errorf("%s: got %v, minisign says %v", c.name, got, want)
	}
	if got != nil {
		wantInvalid(t, c.name, got)
	}
}

// TestStricterThanMinisign has what minisign takes and this package does
// not: base64 whose last digit has unused bits that are not zero.
func TestStricterThanMinisign(t *testing.T) {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	s := newSigner(t)
	payload := testdata(t, "payload")
	signature := s.sign(t, payload, false)
	for _, number := range []int{2, 4} {
		spelling := []byte(line(signature, number))
		last := bytes.IndexByte(spelling, '=') - 1
		spelling[last] = digits[strings.IndexByte(digits, spelling[last])^1]
		other := replaceLine(signature, number, string(spelling))
		if err := s.accepts(t, other, payload); err != nil {
			t.Errorf("line %d: minisign is as strict: %v", number, err)
		}
		wantInvalid(t, "unused bits", check(s.key, other, payload))
	}
}
