// SPDX-License-Identifier: LGPL-2.1-or-later

package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/jedisct1/go-minisign"
	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/scrypt"
)

// cost is what trying a password costs: libsodium's two limits, which are in
// the file, and the N of scrypt that they stand for, with r = 8 and p = 1.
type cost struct {
	opsLimit, memoryLimit uint64
	n                     int
}

// sensitive is what minisign takes, crypto_pwhash_scryptsalsa208sha256.h's
// OPSLIMIT_SENSITIVE and MEMLIMIT_SENSITIVE: a gibibyte and some seconds.
func sensitive() cost { return cost{33554432, 1073741824, 1 << 20} }

const (
	encryptedBytes = 8 + ed25519.PrivateKeySize + blake2b.Size256
	secretBytes    = 2 + 2 + 2 + 32 + 8 + 8 + encryptedBytes
)

// Generate makes a new key pair and writes it to two files that must not be
// there yet. The secret key is encrypted with the password unless that is "".
func Generate(secretFile, publicFile, password string) (*Key, error) {
	return generate(secretFile, publicFile, password, sensitive())
}

func generate(secretFile, publicFile, password string, c cost) (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	k := &Key{minisign.PrivateKey{SignatureAlgorithm: [2]byte{'E', 'd'}, ChecksumAlgorithm: [2]byte{'B', '2'}}}
	copy(k.private.SecretKey[:], private)
	if _, err := rand.Read(k.private.KeyId[:]); err != nil {
		return nil, err
	}
	text, err := k.encode(password, c)
	if err != nil {
		return nil, err
	}
	if err := writeNew(secretFile, text, 0o600); err != nil {
		return nil, err
	}
	if err := writeNew(publicFile, k.Public(), 0o644); err != nil {
		return nil, errors.Join(err, os.Remove(secretFile))
	}
	return k, nil
}

// encode is the text of the file with the secret key.
func (k *Key) encode(password string, c cost) ([]byte, error) {
	secret := append(append(make([]byte, 0, encryptedBytes), k.private.KeyId[:]...), k.private.SecretKey[:]...)
	raw := append(make([]byte, 0, secretBytes), "Ed\x00\x00B2"...)
	if password == "" {
		raw = append(raw, make([]byte, 32+8+8)...)
		secret = append(secret, make([]byte, blake2b.Size256)...)
	} else {
		sum := blake2b.Sum256(append([]byte("Ed"), secret...))
		secret = append(secret, sum[:]...)
		salt := make([]byte, 32)
		if _, err := rand.Read(salt); err != nil {
			return nil, err
		}
		stream, err := scrypt.Key([]byte(password), salt, c.n, 8, 1, encryptedBytes)
		if err != nil {
			return nil, err
		}
		subtle.XORBytes(secret, secret, stream)
		copy(raw[2:], "Sc")
		raw = append(raw, salt...)
		raw = binary.LittleEndian.AppendUint64(raw, c.opsLimit)
		raw = binary.LittleEndian.AppendUint64(raw, c.memoryLimit)
	}
	raw = append(raw, secret...)
	return fmt.Appendf(nil, "untrusted comment: minisign secret key %s\n%s\n", k.ID(), base64.StdEncoding.EncodeToString(raw)), nil
}

// writeNew writes a file that is not there yet, and returns when it is on disk.
func writeNew(file string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}
