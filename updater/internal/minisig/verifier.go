// SPDX-License-Identifier: LGPL-2.1-or-later

package minisig

import (
	"crypto/sha512"
	"fmt"
	"hash"

	"golang.org/x/crypto/blake2b"
)

// Verifier takes a payload's bytes as they pass and then tells whether they
// are the ones that were signed. It keeps none of them: memory does not grow
// with the payload. A Verifier serves one goroutine at a time.
type Verifier struct {
	key         Key
	signature   Signature
	hash        hash.Hash
	lengthBytes int64
}

// NewVerifier makes a Verifier that has seen no byte yet.
func (k Key) NewVerifier(s Signature) *Verifier {
	v := &Verifier{key: k, signature: s}
	if s.Prehashed() {
		// The only error New512 has is a key that is too long.
		v.hash, _ = blake2b.New512(nil)
	} else {
		v.hash = sha512.New()
	}
	v.Reset()
	return v
}

// Write takes the next bytes of the payload. It never fails.
func (v *Verifier) Write(p []byte) (int, error) {
	n, err := v.hash.Write(p)
	v.lengthBytes += int64(n)
	return n, err
}

// Len is the number of bytes written since NewVerifier or Reset.
func (v *Verifier) Len() int64 { return v.lengthBytes }

// Reset forgets all that was written, to check the same signature again: a
// download that starts over, or what a disk says it holds.
func (v *Verifier) Reset() {
	v.lengthBytes = 0
	v.hash.Reset()
	if !v.signature.Prehashed() {
		writeLegacyPrefix(v.hash, v.key, v.signature)
	}
}

// Verify tells whether the bytes written so far are the payload that was
// signed, by this key and with this comment. Its errors wrap ErrInvalid. More
// may be written and verified afterwards.
func (v *Verifier) Verify() error {
	if err := v.key.CheckComment(v.signature); err != nil {
		return err
	}
	if v.signature.Prehashed() {
		return checkDigest(v.key, v.signature, v.hash.Sum(nil))
	}
	return checkLegacy(v.key, v.signature, v.hash.Sum(nil), v.lengthBytes)
}

// checkDigest tells whether the prehashed signature s is one of a payload
// with this BLAKE2b-512 digest.
//
// go-minisign only verifies payloads that are in memory. But what a
// prehashed signature signs is the digest, as if it were the payload of a
// legacy one, and the algorithm bytes that tell the two apart are signed by
// nothing. So a copy of the signature that says "legacy", with the digest as
// its payload, goes through all of go-minisign's checks with the result that
// the payload itself would have had. The copy says something about the
// signature that is not true, which is the very attack of the package
// comment: it must never leave this function.
func checkDigest(k Key, s Signature, digest []byte) error {
	asLegacy := s.decoded
	copy(asLegacy.SignatureAlgorithm[:], algorithmLegacy)
	if ok, err := k.public.Verify(digest, asLegacy); err != nil || !ok {
		return fmt.Errorf("%w: payload is not the one signed by key %s", ErrInvalid, k)
	}
	return nil
}
