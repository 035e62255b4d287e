// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestBlockTags(t *testing.T) {
	t.Parallel()
	content := make([]byte, 5*tagBlockBytes/2)
	rand.NewChaCha8([32]byte{}).Read(content)
	flipped := func(at int) []byte {
		p := bytes.Clone(content)
		p[at] ^= 1
		return p
	}
	swapped := bytes.Clone(content)
	copy(swapped, content[tagBlockBytes:2*tagBlockBytes])
	copy(swapped[tagBlockBytes:], content[:tagBlockBytes])
	for name, c := range map[string]struct {
		first, second []byte
		equal         bool
	}{
		"nothing":                     {nil, nil, true},
		"the same":                    {content, content, true},
		"whole blocks":                {content[:2*tagBlockBytes], content[:2*tagBlockBytes], true},
		"less than a block":           {content[:10], content[:10], true},
		"first bit":                   {content, flipped(0), false},
		"last bit of a block":         {content, flipped(tagBlockBytes - 1), false},
		"last bit":                    {content, flipped(len(content) - 1), false},
		"one byte less":               {content, content[:len(content)-1], false},
		"one byte more":               {content[:10], content[:11], false},
		"a zero more":                 {make([]byte, 10), make([]byte, 11), false},
		"blocks exchanged":            {content, swapped, false},
		"only the unfinished differs": {content[:tagBlockBytes+5], append(bytes.Clone(content[:tagBlockBytes]), 1, 2, 3, 4, 5), false},
		"nothing read back":           {content, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, pieceBytes := range []int{1 << 20, tagBlockBytes, tagBlockBytes - 1, 1000} {
				first := newBlockTags()
				writeInPieces(t, first, c.first, pieceBytes)
				second := first.again()
				writeInPieces(t, second, c.second, 4097)
				if first.equal(second) != c.equal || second.equal(first) != c.equal {
					t.Errorf("pieces of %d: equal is not %v", pieceBytes, c.equal)
				}
			}
		})
	}
}

// What was asked while a block was unfinished does not change what follows.
func TestBlockTagsGoOn(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789"), tagBlockBytes/4)
	whole := newBlockTags()
	writeInPieces(t, whole, content, len(content))
	second := whole.again()
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 10_001)
		writeInPieces(t, second, rest[:n], n)
		if rest = rest[n:]; whole.equal(second) != (len(rest) == 0) {
			t.Fatalf("equal is %v with %d bytes to come", len(rest) > 0, len(rest))
		}
	}
	second.Reset()
	if whole.equal(second) {
		t.Error("equal to nothing")
	}
	if writeInPieces(t, second, content, len(content)); !whole.equal(second) {
		t.Error("after Reset the same bytes are not equal")
	}
}

func TestBlockTagsOfAnotherPayload(t *testing.T) {
	t.Parallel()
	first, second := newBlockTags(), newBlockTags()
	for _, tags := range []*blockTags{first, second} {
		writeInPieces(t, tags, make([]byte, tagBlockBytes), tagBlockBytes)
	}
	if first.equal(second) {
		t.Error("two payloads have the same key")
	}
}

func writeInPieces(t *testing.T, tags *blockTags, p []byte, pieceBytes int) {
	t.Helper()
	for len(p) > 0 {
		n, err := tags.Write(p[:min(pieceBytes, len(p))])
		if err != nil || n == 0 {
			t.Fatalf("Write: %d, %v", n, err)
		}
		p = p[n:]
	}
}
