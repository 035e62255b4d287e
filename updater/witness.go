// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// witnessUnitBytes is what one tag is for.
const witnessUnitBytes = 64 << 10

// witness remembers what bytes passed, as a message authentication code for
// each 64 KiB: 16 bytes each, so 1 MiB for a payload of 4 GiB. Bytes that pass
// another time are the same if their codes are. The key is random and never
// leaves the process; without it nobody can make other bytes with the same
// code, nor does a bad disk by accident.
//
// It takes the place of hashing the payload a second time with BLAKE2b: GMAC
// (NIST SP 800-38D) is an order of magnitude faster, and what it vouches for
// is the very bytes that the signature was verified over.
type witness struct {
	gmac cipher.AEAD
	tags []byte
	// partial is the beginning of the next unit.
	partial []byte
}

func newWitness() (*witness, error) {
	key := make([]byte, 32)
	rand.Read(key) //nolint:errcheck // it never fails, crypto/rand
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	gmac, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	return &witness{gmac: gmac}, nil
}

// again returns a witness with the same key that has seen nothing.
func (w *witness) again() *witness { return &witness{gmac: w.gmac} }

// Reset forgets all.
func (w *witness) Reset() { w.tags, w.partial = w.tags[:0], w.partial[:0] }

// Write takes the next bytes. It never fails.
func (w *witness) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if len(w.partial) == 0 && len(rest) >= witnessUnitBytes {
			w.seal(rest[:witnessUnitBytes])
			rest = rest[witnessUnitBytes:]
			continue
		}
		n := min(len(rest), witnessUnitBytes-len(w.partial))
		w.partial = append(w.partial, rest[:n]...)
		rest = rest[n:]
		if len(w.partial) == witnessUnitBytes {
			w.seal(w.partial)
			w.partial = w.partial[:0]
		}
	}
	return len(p), nil
}

// seal appends a unit's code. The nonce is the unit's number: never the same
// for two units, and for the same unit of different bytes only as a code that
// is compared and not shown to anybody.
func (w *witness) seal(unit []byte) {
	nonce := make([]byte, w.gmac.NonceSize())
	binary.BigEndian.PutUint64(nonce, uint64(len(w.tags)))
	w.tags = w.gmac.Seal(w.tags, nonce, nil, unit)
}

// saw tells whether the same bytes passed both.
func (w *witness) saw(other *witness) bool {
	return bytes.Equal(w.tags, other.tags) && bytes.Equal(w.partial, other.partial)
}
