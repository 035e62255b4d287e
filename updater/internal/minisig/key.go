// SPDX-License-Identifier: LGPL-2.1-or-later

package minisig

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"filippo.io/edwards25519"
	"github.com/jedisct1/go-minisign"
)

// MaxKeyBytes is the size of the largest public key file ParseKey takes;
// minisign writes about 114.
const MaxKeyBytes = 1 << 10

// Key is the public key of a release engineer. Two keys are the same key
// when they are equal by ==. The zero Key verifies nothing.
type Key struct {
	public minisign.PublicKey
}

// ParseKey reads a public key as minisign writes it, a comment line and a
// line of base64, or the line of base64 alone (minisign -P). More than one
// key in a file is an error, so that nobody believes that both count.
func ParseKey(text []byte) (Key, error) {
	if len(text) > MaxKeyBytes {
		return Key{}, fmt.Errorf("public key: %d bytes, at most %d", len(text), MaxKeyBytes)
	}
	encoded, err := keyLine(text)
	if err != nil {
		return Key{}, fmt.Errorf("public key: %w", err)
	}
	// 42 bytes fill their 56 digits of base64: there is one spelling.
	public, err := minisign.NewPublicKey(encoded)
	if err != nil {
		return Key{}, errors.New("public key: not the base64 of 42 bytes")
	}
	if string(public.SignatureAlgorithm[:]) != algorithmLegacy {
		return Key{}, fmt.Errorf("public key: algorithm %q, not %q", public.SignatureAlgorithm[:], algorithmLegacy)
	}
	if err := checkPoint(public.PublicKey[:]); err != nil {
		return Key{}, fmt.Errorf("public key: %w", err)
	}
	return Key{public}, nil
}

// String is the key's id as minisign prints it, 16 upper-case hex digits. It
// is a name, not a fingerprint: anybody can make a key with the same id.
func (k Key) String() string { return formatID(k.public.KeyId) }

func formatID(id [8]byte) string {
	return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(id[:]))
}

func keyLine(text []byte) (string, error) {
	lines, err := splitLines(strings.TrimRight(string(text), "\r\n"))
	if err != nil {
		return "", err
	}
	switch {
	case len(lines) == 1 && lines[0] == "":
		return "", errors.New("empty")
	case len(lines) == 1:
		return lines[0], nil
	case len(lines) == 2 && strings.HasPrefix(lines[0], untrustedPrefix):
		return lines[1], nil
	}
	return "", errors.New("neither one line of base64 nor a comment line and one line of base64")
}

// checkPoint refuses what is no Ed25519 public key (RFC 8032, section
// 5.1.3), and points of small order: for those anybody can make signatures
// that hold for many or all messages. 32 zero bytes are one of them.
func checkPoint(encoded []byte) error {
	point, err := new(edwards25519.Point).SetBytes(encoded)
	if err != nil || !bytes.Equal(point.Bytes(), encoded) {
		return errors.New("not a point of Ed25519")
	}
	if point.MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return errors.New("point of small order")
	}
	return nil
}
