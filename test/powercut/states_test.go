// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// states lists what the first sectors of a disk hold in each state, a letter a
// sector, '.' for what was never written.
func states(sectors int, subsets int, begin int, requests ...Request) map[Kind][]string {
	r := Recording{Base: bytes.NewReader(bytes.Repeat([]byte{'.'}, 512)), Requests: requests, Begin: begin, Subsets: subsets, Seed: 1}
	got := map[Kind][]string{}
	for cut, disk := range r.States() {
		content := make([]byte, sectors*SectorBytes)
		if _, err := disk.ReadAt(content, 0); err != nil {
			panic(err)
		}
		var letters strings.Builder
		for i := range sectors {
			sector := content[i*SectorBytes:][:SectorBytes]
			if !bytes.Equal(sector, bytes.Repeat(sector[:1], SectorBytes)) {
				panic("a torn sector")
			}
			letters.WriteString(strings.ReplaceAll(string(sector[:1]), "\x00", "."))
		}
		got[cut.Kind] = append(got[cut.Kind], letters.String())
	}
	return got
}

func TestStatesFlushedAndPrefix(t *testing.T) {
	got := states(4, 0, 0, fill(0, 1, 'a'), fill(1, 2, 'b'), Request{Flush: true}, fill(1, 1, 'c'), Request{Discard: true, Sector: 0, Sectors: 1})
	if want := []string{"....", "abb."}; !slices.Equal(got[Flushed], want) {
		t.Errorf("after a flush %q, want %q", got[Flushed], want)
	}
	if want := []string{"a...", "abb.", "acb.", ".cb."}; !slices.Equal(got[Prefix], want) {
		t.Errorf("prefixes %q, want %q", got[Prefix], want)
	}
}

// A short epoch gets all subsets of whole requests, whatever the seed.
func TestStatesAllSubsets(t *testing.T) {
	got := states(3, 0, 0, fill(0, 1, 'a'), fill(1, 1, 'b'), fill(2, 1, 'c'))[Subset]
	slices.Sort(got)
	want := []string{"...", "..c", ".b.", ".bc", "a..", "a.c", "ab.", "abc"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What comes before Begin, and before a flush, is never lost.
func TestStatesDurable(t *testing.T) {
	requests := []Request{fill(0, 1, 'a'), fill(1, 1, 'b'), {Flush: true}, fill(2, 2, 'c'), fill(3, 1, 'd')}
	for kind, all := range states(4, 200, 1, requests...) {
		for _, s := range all {
			if s[0] != 'a' || strings.ContainsAny(s[2:], "cd") && s[1] != 'b' {
				t.Errorf("%s: %q", kind, s)
			}
		}
	}
}

// Of two writes to a sector the later one wins when both survive, and either
// may be alone.
func TestStatesOverwritten(t *testing.T) {
	got := states(1, 50, 0, fill(0, 1, 'a'), fill(0, 1, 'b'))
	for _, want := range []string{".", "a", "b"} {
		if !slices.Contains(got[Subset], want) {
			t.Errorf("no state %q in %q", want, got[Subset])
		}
	}
	if got[Prefix][1] != "b" {
		t.Errorf("%q", got[Prefix])
	}
}

// A write with FUA survives once it has completed, and takes nothing along.
func TestStatesFUA(t *testing.T) {
	fua := fill(1, 1, 'F')
	fua.FUA = true
	alone, lost := false, false
	for _, s := range states(3, 200, 0, fill(0, 1, 'a'), fua, fill(2, 1, 'c'))[Subset] {
		alone = alone || s == ".F."
		lost = lost || s[1] != 'F' && s[2] == 'c'
	}
	if !alone || lost {
		t.Errorf("survives alone: %v; lost before a later write: %v", alone, lost)
	}
}

// Requests are torn at sectors: first ones, last ones, and any.
func TestStatesTorn(t *testing.T) {
	found := map[string]bool{}
	for _, s := range states(4, 5000, 0, fill(0, 4, 'a'))[Subset] {
		found[s] = true
	}
	if len(found) != 16 {
		t.Errorf("%d of 16 ways to tear a request: %v", len(found), found)
	}
}

// The same seed gives the same states.
func TestStatesRepeat(t *testing.T) {
	requests := []Request{fill(0, 4, 'a'), fill(4, 4, 'b'), {Flush: true}, fill(2, 4, 'c')}
	one, two := states(8, 50, 0, requests...), states(8, 50, 0, requests...)
	if fmt.Sprint(one) != fmt.Sprint(two) {
		t.Error("two runs differ")
	}
}

// Parts that are the same have the same identity only where they cannot
// differ.
func TestIdentity(t *testing.T) {
	m := NewMachine(Machine{})
	seen := map[uint64]string{}
	r := Recording{Base: bytes.NewReader(nil), Requests: []Request{fill(0, 3, 'a'), {Flush: true}, fill(1, 2, 'b'), {Flush: true}, fill(0, 1, 'c')}, Subsets: 50}
	for _, disk := range r.States() {
		content := make([]byte, 3*SectorBytes)
		if _, err := disk.ReadAt(content, 0); err != nil {
			t.Fatal(err)
		}
		identity := disk.identity(m.seed, 0, 3*SectorBytes)
		if was, known := seen[identity]; known && was != string(content) {
			t.Fatal("two contents have one identity")
		}
		seen[identity] = string(content)
	}
	if len(seen) < 5 {
		t.Errorf("%d contents", len(seen))
	}
}

func TestReadAtUnaligned(t *testing.T) {
	r := Recording{Base: bytes.NewReader([]byte("0123456789")), Requests: []Request{fill(1, 2, 'a')}}
	var last *Disk
	for _, disk := range r.States() {
		last = disk
	}
	for off := range int64(1600) {
		got, want := make([]byte, 700), make([]byte, 700)
		for i := range want {
			switch at := off + int64(i); {
			case at < 10:
				want[i] = "0123456789"[at]
			case 512 <= at && at < 1536:
				want[i] = 'a'
			}
		}
		if _, err := last.ReadAt(got, off); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("at %d: %v", off, err)
		}
	}
}
