// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"slices"
)

const (
	// tagBlockBytes has one tag: 1 MiB of tags for 4 GiB.
	tagBlockBytes = 64 << 10
	// tagKeyBytes makes it AES-128.
	tagKeyBytes = 16
)

// blockTags tell whether bytes that pass later are those that passed before:
// what a disk gives back is compared with what was verified. The signature
// could be verified once more instead, but BLAKE2b and SHA-512 keep a processor
// busy for longer than the disk needs to read; a tag costs less than a tenth.
//
// A tag is the GMAC (NIST SP 800-38D) of a block under a key that is drawn for
// each payload and never leaves the process, with the block's number as nonce.
// Whoever made the bytes, or the disk, knows neither key nor tags: that other
// bytes have the same tag is less likely than 2^-110, whatever was done to them.
// Nobody sees a tag, so a nonce may be used again for the block read back.
//
// The zero value is not usable.
type blockTags struct {
	mac cipher.AEAD
	// partial is the block that is not full yet.
	partial []byte
	tags    []byte
	count   uint64
}

func newBlockTags() *blockTags {
	key := make([]byte, tagKeyBytes)
	rand.Read(key) // it never fails
	// The only errors these two have are of a wrong key or block size.
	block, _ := aes.NewCipher(key)
	mac, _ := cipher.NewGCM(block)
	return &blockTags{mac: mac}
}

// again are tags under the same key, of nothing so far.
func (t *blockTags) again() *blockTags { return &blockTags{mac: t.mac} }

// Write takes the next bytes. It never fails.
func (t *blockTags) Write(p []byte) (int, error) {
	written := len(p)
	if len(t.partial) > 0 {
		n := min(tagBlockBytes-len(t.partial), len(p))
		t.partial = append(t.partial, p[:n]...)
		p = p[n:]
		if len(t.partial) < tagBlockBytes {
			return written, nil
		}
		t.tags = t.seal(t.partial)
		t.count++
		t.partial = t.partial[:0]
	}
	for ; len(p) >= tagBlockBytes; p = p[tagBlockBytes:] {
		t.tags = t.seal(p[:tagBlockBytes])
		t.count++
	}
	t.partial = append(t.partial, p...)
	return written, nil
}

// seal is the tags and that of the next block.
func (t *blockTags) seal(block []byte) []byte {
	nonce := make([]byte, t.mac.NonceSize())
	binary.BigEndian.PutUint64(nonce[4:], t.count)
	// Seal makes room for one tag at a time, and copies all others for it.
	return t.mac.Seal(slices.Grow(t.tags, t.mac.Overhead()), nonce, nil, block) //nolint:gosec // the nonce is the number of the block
}

// Reset forgets all bytes.
func (t *blockTags) Reset() { t.partial, t.tags, t.count = t.partial[:0], t.tags[:0], 0 }

// equal tells whether other, made by again, has taken the same bytes.
func (t *blockTags) equal(other *blockTags) bool {
	return len(t.partial) == len(other.partial) && slices.Equal(t.last(), other.last())
}

// last are the tags with that of the unfinished block.
func (t *blockTags) last() []byte {
	if len(t.partial) == 0 {
		return t.tags
	}
	return t.seal(t.partial)
}
