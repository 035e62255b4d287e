// SPDX-License-Identifier: LGPL-2.1-or-later

package makepatch

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clipos/updater/updater/patch"
)

const (
	// sideBytes is how much of the base is taken on each side of a piece.
	sideBytes = 8 << 20
	// maxWindowBytes is the whole window: what a client needs memory for.
	maxWindowBytes = pieceBytes + 2*sideBytes
	// minWindowBytes is the least that is worth a patch: what is around a piece.
	minWindowBytes = pieceBytes
	// maxRuns bounds what the header takes.
	maxRuns = 200
	// runSideBytes are taken on each side of a run: the samples that it was
	// found by do not stand at its ends.
	runSideBytes = 4 << 10
	// minGain is how many more samples another place must have to be taken
	// for the better one.
	minGain = 16
)

// windowFor is how large a window may be so that machines can rebuild the
// result, also a piece that does not shrink at all.
func windowFor(memoryBytes, computedBytes int64) (int64, error) {
	window := patch.MaxWindowFor(memoryBytes, computedBytes, pieceBytes)
	if window < minWindowBytes {
		return 0, fmt.Errorf("%w: %d bytes of %d for hash tree and error correction leave too little for pieces", patch.ErrMemory, computedBytes, memoryBytes)
	}
	return min(window, maxWindowBytes), nil
}

// chooseWindow chooses the parts of the base that a piece refers to, of at most
// windowBytes, from where its content came from; moved tells that they are not
// just what is around the same offset.
func chooseWindow(origins []origin, offset, bytes, baseBytes, windowBytes int64) (window []patch.Part, moved bool) {
	// So much may come from elsewhere.
	maxRunBytes := windowBytes / 3 * 2
	near := middle(around(offset, bytes, baseBytes), windowBytes)
	main := mainPart(origins, near, windowBytes, baseBytes)
	parts := findRuns(origins, main, baseBytes, maxRunBytes)
	if len(parts) > 0 {
		// Make room: what a smaller main part loses must be among the runs.
		main = mainPart(origins, main, windowBytes-maxRunBytes, baseBytes)
		parts = findRuns(origins, main, baseBytes, maxRunBytes)
		main = grow(main, windowBytes-totalBytes(parts), baseBytes)
	}
	moved = len(parts) > 0 || main != near
	if main.Bytes > 0 {
		// Last, so that it is nearest.
		parts = append(parts, main)
	}
	return parts, moved
}

// around is the part of the base at the same offset and on both sides.
func around(offset, bytes, baseBytes int64) patch.Part {
	begin := min(max(0, offset-sideBytes), baseBytes)
	end := min(offset+bytes+sideBytes, baseBytes)
	if begin == end {
		// Behind the end of the base: what is last there.
		begin = max(0, baseBytes-maxWindowBytes)
	}
	return patch.Part{Offset: begin, Bytes: end - begin}
}

// middle is what is left of a part of which the same is cut off on both sides.
func middle(part patch.Part, maxBytes int64) patch.Part {
	if part.Bytes <= maxBytes {
		return part
	}
	return patch.Part{Offset: part.Offset + (part.Bytes-maxBytes)/2, Bytes: maxBytes}
}

// mainPart is the part of the base of at most maxBytes where most of the
// piece came from; near, as far as it fits, unless another is clearly better.
func mainPart(origins []origin, near patch.Part, maxBytes, baseBytes int64) patch.Part {
	near = middle(near, maxBytes)
	best := densest(origins, maxBytes)
	if covered := count(origins, near); count(origins, best) < covered+max(minGain, covered/16) {
		return near
	}
	return grow(best, maxBytes, baseBytes)
}

// grow adds as much of the base on each side, as far as there is any.
func grow(part patch.Part, toBytes, baseBytes int64) patch.Part {
	begin := max(0, min(part.Offset-(toBytes-part.Bytes)/2, baseBytes-toBytes))
	return patch.Part{Offset: begin, Bytes: min(toBytes, baseBytes-begin)}
}

// densest is the part of at most maxBytes with the most places of origins,
// the first of several.
func densest(origins []origin, maxBytes int64) patch.Part {
	var places []int64
	for _, o := range origins {
		places = append(places, o.places...)
	}
	slices.Sort(places)
	var part patch.Part
	first, hits := 0, 0
	for last, place := range places {
		for place-places[first]+hashedBytes > maxBytes {
			first++
		}
		if n := last - first + 1; n > hits {
			begin := places[first] - hashedBytes
			hits, part = n, patch.Part{Offset: begin, Bytes: place - begin}
		}
	}
	return part
}

// count is how many origins have a place in a part.
func count(origins []origin, part patch.Part) int {
	hits := 0
	for _, o := range origins {
		if slices.ContainsFunc(o.places, func(place int64) bool { return has(part, place) }) {
			hits++
		}
	}
	return hits
}

func has(part patch.Part, place int64) bool {
	return place-hashedBytes >= part.Offset && place <= part.Offset+part.Bytes
}

// run is content that moved as a whole.
type run struct {
	part patch.Part
	hits int
}

// findRuns finds the parts of the base outside main where content of the
// piece came from: those that have most of it, sorted.
func findRuns(origins []origin, main patch.Part, baseBytes, maxBytes int64) []patch.Part {
	runs := collectRuns(origins, main)
	slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(b.hits, a.hits) })
	var parts []patch.Part
	var bytes int64
	for _, r := range runs[:min(len(runs), maxRuns)] {
		begin := max(0, r.part.Offset-runSideBytes)
		part := patch.Part{Offset: begin, Bytes: min(r.part.Offset+r.part.Bytes+runSideBytes, baseBytes) - begin}
		if bytes += part.Bytes; bytes > maxBytes {
			break
		}
		parts = append(parts, part)
	}
	return merge(parts)
}

// collectRuns makes a run of origins that moved by the same distance, one
// behind the other.
func collectRuns(origins []origin, main patch.Part) []run {
	var runs []run
	var distance int64
	for _, o := range origins {
		if slices.ContainsFunc(o.places, func(place int64) bool { return has(main, place) }) {
			continue
		}
		if n := len(runs); n > 0 && slices.Contains(o.places, o.offset+distance) {
			last := &runs[n-1]
			last.part.Bytes = o.offset + distance - last.part.Offset
			last.hits++
			continue
		}
		distance = o.places[0] - o.offset
		runs = append(runs, run{patch.Part{Offset: o.places[0] - hashedBytes, Bytes: hashedBytes}, 1})
	}
	return runs
}

// merge sorts parts and joins those that overlap.
func merge(parts []patch.Part) []patch.Part {
	slices.SortFunc(parts, func(a, b patch.Part) int { return cmp.Compare(a.Offset, b.Offset) })
	var merged []patch.Part
	for _, p := range parts {
		if n := len(merged); n > 0 && p.Offset <= merged[n-1].Offset+merged[n-1].Bytes {
			last := &merged[n-1]
			last.Bytes = max(last.Bytes, p.Offset+p.Bytes-last.Offset)
			continue
		}
		merged = append(merged, p)
	}
	return merged
}

func totalBytes(parts []patch.Part) int64 {
	return patch.Piece{Window: parts}.WindowBytes()
}
