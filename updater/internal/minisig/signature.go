// SPDX-License-Identifier: LGPL-2.1-or-later

package minisig

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"github.com/jedisct1/go-minisign"
)

// MaxSignatureBytes is the size of the largest signature file Parse takes;
// with a version as its comment minisign writes about 300 bytes.
const MaxSignatureBytes = 4 << 10

// A signature file has four lines.
const signatureLines = 4

// maxUntrustedBytes is the longest first line that minisign(1) takes however
// lines end: COMMENTMAXBYTES of its minisign.h less CR, LF and NUL.
const maxUntrustedBytes = 1024 - 3

// Signature is what a signature file says. Nothing of it may be believed
// before CheckComment. The zero Signature is never valid.
type Signature struct {
	decoded minisign.Signature
}

// Parse reads a signature file. Its errors wrap ErrInvalid and quote no more
// from the file than the two algorithm bytes.
//
// Lines after the fourth are not looked at: early versions of the tools that
// sign releases wrote over an older, longer file without cutting it, and what
// was published that way must stay valid. minisign ignores them too.
func Parse(text []byte) (Signature, error) {
	if len(text) > MaxSignatureBytes {
		return Signature{}, fmt.Errorf("%w: %d bytes, at most %d", ErrInvalid, len(text), MaxSignatureBytes)
	}
	lines, err := splitLines(firstLines(string(text), signatureLines))
	if err != nil {
		return Signature{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := checkForm(lines); err != nil {
		return Signature{}, err
	}
	decoded, err := minisign.DecodeSignature(strings.Join(lines, "\n"))
	if err != nil {
		return Signature{}, fmt.Errorf("%w: line 2 is not the base64 of 74 bytes or line 4 not of 64", ErrInvalid)
	}
	s := Signature{decoded}
	if alg := string(decoded.SignatureAlgorithm[:]); alg != algorithmPrehashed && alg != algorithmLegacy {
		return Signature{}, fmt.Errorf("%w: unknown algorithm %q", ErrInvalid, alg)
	}
	return s, nil
}

// Comment is the trusted comment without its prefix. It is only as
// trustworthy as CheckComment says.
func (s Signature) Comment() string {
	return strings.TrimPrefix(s.decoded.TrustedComment, trustedPrefix)
}

// Prehashed tells whether the payload's digest was signed, not the payload
// itself. No signature covers this fact: see the package comment.
func (s Signature) Prehashed() bool {
	return string(s.decoded.SignatureAlgorithm[:]) == algorithmPrehashed
}

// CheckComment tells whether the holder of the key signed some payload with
// this comment. It needs no payload, and proves nothing about one. Its errors
// wrap ErrInvalid.
func (k Key) CheckComment(s Signature) error {
	if k == (Key{}) {
		return fmt.Errorf("%w: no key to check it with", ErrInvalid)
	}
	if k.public.KeyId != s.decoded.KeyId {
		return fmt.Errorf("%w: made with key %s, not %s", ErrInvalid, formatID(s.decoded.KeyId), k)
	}
	message := slices.Concat(s.decoded.Signature[:], []byte(s.Comment()))
	if !ed25519.Verify(k.public.PublicKey[:], message, s.decoded.GlobalSignature[:]) {
		return fmt.Errorf("%w: comment not signed by key %s", ErrInvalid, k)
	}
	return nil
}

// firstLines cuts text behind its nth line feed, if it has that many.
func firstLines(text string, n int) string {
	end := 0
	for range n {
		i := strings.IndexByte(text[end:], '\n')
		if i < 0 {
			return text
		}
		end += i + 1
	}
	return text[:end-1]
}

// checkForm demands what minisign(1) demands of the lines and go-minisign
// does not check, or only when it verifies.
func checkForm(lines []string) error {
	switch {
	case len(lines) != signatureLines:
		return fmt.Errorf("%w: %d lines, not %d", ErrInvalid, len(lines), signatureLines)
	case !strings.HasPrefix(lines[0], untrustedPrefix):
		return fmt.Errorf("%w: line 1 does not begin with %q", ErrInvalid, untrustedPrefix)
	case len(lines[0]) > maxUntrustedBytes:
		return fmt.Errorf("%w: line 1 has %d bytes, at most %d", ErrInvalid, len(lines[0]), maxUntrustedBytes)
	case !strings.HasPrefix(lines[2], trustedPrefix):
		return fmt.Errorf("%w: line 3 does not begin with %q", ErrInvalid, trustedPrefix)
	case !isCanonical(lines[1]), !isCanonical(lines[3]):
		return fmt.Errorf("%w: not base64, or not its canonical form", ErrInvalid)
	}
	return nil
}
