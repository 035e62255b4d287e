// SPDX-License-Identifier: LGPL-2.1-or-later

// Package signing makes minisign key pairs and signatures.
//
// # The files
//
// A secret key is what minisign(1) makes, and minisign can use what is made
// here: a comment line, and the base64 of
//
//	"Ed"  "Sc" or 0,0  "B2"  salt[32]  ops limit[8]  memory limit[8]
//	key id[8]  Ed25519 secret key[64]  BLAKE2b-256("Ed" ‖ key id ‖ secret key)
//
// of which the last three are XORed with scrypt of the password, unless the key
// has none: then everything but key id and secret key is zeros. Integers are
// little endian.
//
// Signatures are prehashed: Ed25519 of BLAKE2b-512 of the file. The trusted
// comment is the version of the release, which is all that clients want in it.
//
// # Who does it
//
// go-minisign reads keys and signs. Making a key pair, which it does not do, is
// done here. A secret key that others than its owner can read is not used.
package signing

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedisct1/go-minisign"
)

// Errors a caller may want to tell apart.
var (
	ErrReadable = errors.New("others than its owner can read the secret key")
	ErrPassword = errors.New("wrong password")
)

// maxKeyBytes is far more than a key file has.
const maxKeyBytes = 4 << 10

// Key signs.
type Key struct{ private minisign.PrivateKey }

// Load reads a secret key. password is asked for when the key has one.
func Load(file string, password func() (string, error)) (*Key, error) {
	text, err := readKey(file)
	if err != nil {
		return nil, err
	}
	private, err := minisign.DecodePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: not a minisign secret key", file)
	}
	k := &Key{private}
	if !k.private.IsEncrypted() {
		return k, nil
	}
	secret, err := password()
	if err != nil {
		return nil, err
	}
	if err := k.private.Decrypt(secret); err != nil {
		return nil, fmt.Errorf("%s: %w", file, ErrPassword)
	}
	return k, nil
}

// IsSecret tells whether a text is that of a file with a secret key.
func IsSecret(text []byte) bool {
	_, err := minisign.DecodePrivateKey(string(text))
	return err == nil
}

func readKey(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s: %w (mode %04o)", file, ErrReadable, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyBytes))
	return string(text), err
}

// Sign returns the text of a file's signature for a version.
func (k *Key) Sign(file, version string) ([]byte, error) {
	s, err := k.private.SignFile(file, minisign.SignOptions{
		UntrustedComment: "signature from minisign secret key " + k.ID(),
		TrustedComment:   version,
		Hashed:           true,
	})
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", file, err)
	}
	return s.Encode(), nil
}

// ID is the key's name as minisign prints it.
func (k *Key) ID() string {
	return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(k.private.KeyId[:]))
}

// Public is the text of the file with the public key.
func (k *Key) Public() []byte {
	p := k.private.PublicKey()
	raw := append(append(p.SignatureAlgorithm[:], p.KeyId[:]...), p.PublicKey[:]...)
	return fmt.Appendf(nil, "untrusted comment: minisign public key %s\n%s\n", k.ID(), base64.StdEncoding.EncodeToString(raw))
}

// Wipe forgets the secret key, as far as it is in our hands.
func (k *Key) Wipe() { k.private.Wipe() }

// FirstLine is the password in a file, or behind a descriptor such as
// /dev/fd/3: its first line.
func FirstLine(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyBytes))
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" && err == nil {
		err = fmt.Errorf("%s: no password in its first line", file)
	}
	return line, err
}
