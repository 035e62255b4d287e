// SPDX-License-Identifier: LGPL-2.1-or-later

package channels

import (
	"encoding/binary"
	"math"
)

// murmur2 is Austin Appleby's MurmurHash2 as nginx has it (ngx_murmur_hash2):
// 32 bits, little endian, the length as its seed.
func murmur2(s string) uint32 {
	const m = 0x5bd1e995
	h := uint32(len(s)) //nolint:gosec // G115: a header's length
	for ; len(s) >= 4; s = s[4:] {
		k := binary.LittleEndian.Uint32([]byte(s[:4])) * m
		k = (k ^ k>>24) * m
		h = h*m ^ k
	}
	var rest [4]byte
	if copy(rest[:], s) > 0 {
		h = (h ^ binary.LittleEndian.Uint32(rest[:])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

// limit is what the hashes of so many percent are below of, rounded as
// split_clients does.
func limit(percent int) uint32 {
	return uint32(uint64(percent) * 100 * math.MaxUint32 / 10000) //nolint:gosec // G115: from 0 to 100
}
