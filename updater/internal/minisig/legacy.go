// SPDX-License-Identifier: LGPL-2.1-or-later

package minisig

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"hash"

	"filippo.io/edwards25519"
)

// minLegacyBytes is the size of the smallest payload a legacy signature may
// have. A prehashed signature rewritten as a legacy one is valid for 64
// bytes, so anything larger than that would do; no kernel or image is
// smaller than a page.
const minLegacyBytes = 4 << 10

// sizeR is how much of an Ed25519 signature is the point R (RFC 8032,
// section 5.1.6); the rest is the scalar S.
const sizeR = ed25519.SignatureSize / 2

// writeLegacyPrefix begins the hash of RFC 8032, section 5.1.7, step 2:
// SHA-512(R ‖ A ‖ payload). crypto/ed25519 takes the payload only whole.
func writeLegacyPrefix(h hash.Hash, k Key, s Signature) {
	h.Write(s.decoded.Signature[:sizeR])
	h.Write(k.public.PublicKey[:])
}

// checkLegacy tells whether the legacy signature s is one of a payload of
// this size with this SHA-512(R ‖ A ‖ payload).
func checkLegacy(k Key, s Signature, sum []byte, lengthBytes int64) error {
	if lengthBytes < minLegacyBytes {
		return fmt.Errorf("%w: legacy, and a payload of %d bytes, fewer than %d", ErrInvalid, lengthBytes, minLegacyBytes)
	}
	if !isSigned(k.public.PublicKey[:], s.decoded.Signature[:], sum) {
		return fmt.Errorf("%w: payload is not the one signed by key %s", ErrInvalid, k)
	}
	return nil
}

// isSigned tells whether S·B = R + k·A, where sum is k before its reduction.
// It decides as crypto/ed25519 does: S must be reduced, and R is compared as
// bytes after R = S·B - k·A, without the cofactor.
func isSigned(public, signature, sum []byte) bool {
	a, err := new(edwards25519.Point).SetBytes(public)
	if err != nil {
		return false
	}
	k, err := edwards25519.NewScalar().SetUniformBytes(sum)
	if err != nil {
		return false
	}
	s, err := edwards25519.NewScalar().SetCanonicalBytes(signature[sizeR:])
	if err != nil {
		return false
	}
	r := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(k, a.Negate(a), s)
	return bytes.Equal(r.Bytes(), signature[:sizeR])
}
