// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tally counts verdicts.
type Tally struct {
	Kinds  map[Kind]int
	Boots  map[string]int
	Faults map[Fault]int
	// Bad is how many states have a fault, Examples the first of each fault.
	Bad      int
	Examples map[Fault]string
}

// Add counts a state.
func (t *Tally) Add(c Cut, v Verdict) {
	if t.Kinds == nil {
		*t = Tally{map[Kind]int{}, map[string]int{}, map[Fault]int{}, 0, map[Fault]string{}}
	}
	t.Kinds[c.Kind]++
	if len(v.Faults) == 0 {
		t.Boots[v.Boots]++
		return
	}
	t.Bad++
	for _, f := range v.Faults {
		if t.Faults[f]++; t.Examples[f] == "" {
			t.Examples[f] = fmt.Sprintf("%v: %v", c, v.Why)
		}
	}
}

// States is how many were counted.
func (t *Tally) States() int {
	sum := 0
	for _, n := range t.Kinds {
		sum += n
	}
	return sum
}

// String is a few lines for a test's log.
func (t *Tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d states (%s)", t.States(), counts(t.Kinds))
	fmt.Fprintf(&b, "; boot: %s; not good: %d", counts(t.Boots), t.Bad)
	for _, f := range slices.Sorted(maps.Keys(t.Faults)) {
		fmt.Fprintf(&b, "\n  %s: %d, first at %s", f, t.Faults[f], t.Examples[f])
	}
	return b.String()
}

func counts[K ~string](m map[K]int) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", key, m[key]))
	}
	return strings.Join(parts, ", ")
}
