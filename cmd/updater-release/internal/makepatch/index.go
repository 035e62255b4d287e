// SPDX-License-Identifier: LGPL-2.1-or-later

package makepatch

import (
	"cmp"
	"math/bits"
	"slices"
)

// hashedBytes is how many bytes a rolling hash depends on: each byte shifts
// it by one bit.
const hashedBytes = 64

const (
	// minSampleBytes is how far apart samples are on average: close enough for
	// several in a file of a few blocks.
	minSampleBytes = 1 << 10
	// maxSamples bounds the memory of an index to 64 MiB, by taking fewer.
	maxSamples = 4 << 20
	// maxPlaces is at how many places something may be; what is in more says
	// nothing about where something came from.
	maxPlaces = 4
)

// rolling is a hash of the last hashedBytes bytes.
type rolling uint64

// next takes a byte. The table would be random numbers; a multiplicative hash
// of the byte, by 2^64 divided by the golden ratio, is as good and needs none.
func (r rolling) next(b byte) rolling {
	const golden = 0x9e3779b97f4a7c15
	mixed := (uint64(b) + 1) * golden
	return r<<1 + rolling(mixed^mixed>>29)
}

// sample is a place in an image where the hash is one of those that are
// remembered. Which hashes are depends on content alone, so the same content
// has the same samples wherever it is.
type sample struct {
	hash rolling
	// offset is that of the first byte behind what was hashed.
	offset int64
}

// index knows places in an image by their content.
type index struct {
	// shift brings the bits to the bottom that are 0 in samples.
	shift   int
	samples []sample
	hash    rolling
	offset  int64
}

func newIndex(imageBytes int64) *index {
	averageBytes := max(minSampleBytes, imageBytes/maxSamples)
	return &index{shift: 64 - bits.Len64(uint64(averageBytes-1))}
}

// add takes the next bytes of the image.
func (x *index) add(content []byte) {
	hash, shift := x.hash, x.shift
	for i, b := range content {
		hash = hash.next(b)
		if hash>>shift == 0 && x.offset+int64(i) >= hashedBytes-1 {
			x.samples = append(x.samples, sample{hash, x.offset + int64(i) + 1})
		}
	}
	x.hash = hash
	x.offset += int64(len(content))
}

// finish sorts the samples, for find.
func (x *index) finish() {
	slices.SortFunc(x.samples, func(a, b sample) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.offset, b.offset))
	})
}

// origin is where content of a piece is in the image.
type origin struct {
	// offset is where in the piece.
	offset int64
	// places are where in the image, ascending; at least one.
	places []int64
}

// find returns where the content of a piece came from, ascending.
func (x *index) find(content []byte) []origin {
	var found []origin
	var hash rolling
	for i, b := range content {
		hash = hash.next(b)
		if hash>>x.shift != 0 || i+1 < hashedBytes {
			continue
		}
		if places := x.places(hash); len(places) > 0 {
			found = append(found, origin{int64(i + 1), places})
		}
	}
	return found
}

func (x *index) places(hash rolling) []int64 {
	at, _ := slices.BinarySearchFunc(x.samples, hash, func(s sample, hash rolling) int { return cmp.Compare(s.hash, hash) })
	var places []int64
	for ; at < len(x.samples) && x.samples[at].hash == hash; at++ {
		if len(places) == maxPlaces {
			return nil
		}
		places = append(places, x.samples[at].offset)
	}
	return places
}
