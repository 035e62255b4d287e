// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
)

// Kind is how a state came about.
type Kind string

// The kinds of states.
const (
	// Flushed: right after a flush, with nothing else in the cache.
	Flushed Kind = "after a flush"
	// Prefix: between two flushes, all that had completed survived.
	Prefix Kind = "in an epoch"
	// Torn: as Prefix, and of the last request only some sectors.
	Torn Kind = "torn request"
	// Subset: any of the cache survived, requests whole or torn.
	Subset Kind = "lost writes"
)

// Cut is one power cut.
type Cut struct {
	Kind Kind
	// Epoch counts the flushes before it; Request is how many requests of
	// the record had completed.
	Epoch, Request int
	// Number counts the states of this epoch.
	Number int
}

func (c Cut) String() string {
	return fmt.Sprintf("epoch %d, request %d, state %d (%s)", c.Epoch, c.Request, c.Number, c.Kind)
}

// Recording is what was written to a disk that held Base at the beginning.
type Recording struct {
	Base     io.ReaderAt
	Requests []Request
	// Begin is the first request before which the power is cut; everything
	// before it is taken to be durable.
	Begin int
	// Subsets is how many random subsets of each epoch are built; an epoch of
	// few writes gets all of its subsets of whole requests besides.
	Subsets int
	Seed    uint64
}

// exhaustive is up to how many writes all subsets of an epoch are built.
const exhaustive = 6

// epoch is what lies between two flushes.
type epoch struct {
	number, first int
	writes        []Request
}

// States builds the states one after the other. One is valid until the next is
// built, unless it is cloned.
func (r Recording) States() iter.Seq2[Cut, *Disk] {
	return func(yield func(Cut, *Disk) bool) {
		random := rand.New(rand.NewPCG(r.Seed, 0))
		disk := &Disk{base: r.Base, origin: &r, durable: map[int64][]byte{}, touched: map[int64]int{}}
		disk.commit(r.Requests[:r.Begin])
		for _, e := range r.epochs() {
			n := 0
			give := func(kind Kind, request int, kept map[int64][]byte) bool {
				state := *disk
				state.kept = kept
				n++
				return yield(Cut{kind, e.number, e.first + request, n}, &state)
			}
			if !e.states(give, r.Subsets, random) {
				return
			}
			disk.commit(e.writes)
		}
	}
}

func (r Recording) epochs() []epoch {
	current := epoch{first: r.Begin}
	var epochs []epoch
	for i, request := range r.Requests[r.Begin:] {
		if request.Flush { // before its own data, if it has some
			epochs = append(epochs, current)
			current = epoch{number: current.number + 1, first: r.Begin + i + 1}
		}
		if request.Sectors > 0 {
			current.writes = append(current.writes, request)
		}
	}
	return append(epochs, current)
}

// states builds the states of an epoch. At its beginning the cache is empty.
func (e epoch) states(give func(Kind, int, map[int64][]byte) bool, subsets int, random *rand.Rand) bool {
	if !give(Flushed, 0, nil) {
		return false
	}
	prefix := map[int64][]byte{}
	for i, w := range e.writes {
		torn := maps.Clone(prefix)
		write(torn, w, tear(w, random))
		write(prefix, w, all)
		if !give(Torn, i+1, torn) || !give(Prefix, i+1, prefix) {
			return false
		}
	}
	if len(e.writes) <= exhaustive {
		for chosen := range 1 << len(e.writes) {
			if !give(Subset, len(e.writes), e.subset(chosen)) {
				return false
			}
		}
	}
	if len(e.writes) == 0 {
		return true
	}
	for range subsets {
		completed, kept := e.randomSubset(random)
		if !give(Subset, completed, kept) {
			return false
		}
	}
	return true
}

// subset keeps whole requests, those of the bits of chosen.
func (e epoch) subset(chosen int) map[int64][]byte {
	kept := map[int64][]byte{}
	for i, w := range e.writes {
		if w.FUA || chosen>>i&1 == 1 {
			write(kept, w, all)
		}
	}
	return kept
}

// randomSubset cuts the power at a random request and keeps, tears or loses
// each before it.
func (e epoch) randomSubset(random *rand.Rand) (completed int, kept map[int64][]byte) {
	completed = 1 + random.IntN(len(e.writes))
	kept = map[int64][]byte{}
	// How much survives varies: a cache may be nearly empty or nearly full.
	survives := random.Float64()
	for i, w := range e.writes[:completed] {
		underWay := i == completed-1
		switch fate := random.Float64(); {
		case w.FUA && !underWay:
			write(kept, w, all)
		case fate < survives*2/3:
			write(kept, w, all)
		case fate < survives:
			write(kept, w, tear(w, random))
		}
	}
	return completed, kept
}

// tear tells which sectors of a request survive: the first ones, the last ones,
// or any.
func tear(w Request, random *rand.Rand) func(int64) bool {
	at := random.Int64N(w.Sectors + 1)
	switch random.IntN(3) {
	case 0:
		return func(i int64) bool { return i < at }
	case 1:
		return func(i int64) bool { return i >= at }
	}
	return func(int64) bool { return random.IntN(2) == 0 }
}
