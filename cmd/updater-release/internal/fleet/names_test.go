// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestInventedVersions: whatever is invented, and whenever, what the server offers
// has its name.
func TestInventedVersions(t *testing.T) {
	var inventions, machines strings.Builder
	for i := range 1000 {
		inventions.WriteString(request(i+1, "11-01T10", fmt.Sprintf("9.%d.0", i), "stable", ""))
	}
	for i := range 4 {
		running := "5.0.0"
		if i > 0 {
			running = "5.1.0"
		}
		machines.WriteString(request(2000+i, "11-02T10", running, "stable", "5.1.0"))
	}
	// Seen before what it runs was offered.
	early := request(2100, "11-01T11", "5.1.0", "beta", "")
	o := options(latest)
	o.Limits = Limits{Machines: 5000, Names: 1000}
	r := read(t, o, inventions.String()+early+machines.String())
	if want := []Rollout{{Version: "5.1.0", Channel: "stable", Offered: 4, Running: 3}}; !reflect.DeepEqual(r.Rollouts, want) {
		t.Errorf("%+v, want %+v", r.Rollouts, want)
	}
	count := func(r *Report) map[string]int {
		counts := map[string]int{}
		for _, v := range r.Versions {
			if !strings.HasPrefix(v.Version, "9.") {
				counts[v.Version] = v.Machines
			}
		}
		return counts
	}
	if got, want := count(r), map[string]int{"5.1.0": 3, "other": 2}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// The next check of who was seen before puts it right.
	r = read(t, o, inventions.String()+early+machines.String()+request(2100, "11-02T11", "5.1.0", "beta", "5.1.0"))
	if got, want := count(r), map[string]int{"5.1.0": 4, "other": 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("afterwards: %v, want %v", got, want)
	}
}

// TestNamesEnd: there are no more numbers than fit.
func TestNamesEnd(t *testing.T) {
	n := newNames(1<<20, func(s string) string { return s })
	for i := range 1 << 17 {
		n.number(fmt.Sprint("told ", i))
	}
	if told := len(n.texts); told != int(firstName)+maxNames/2 {
		t.Errorf("%d names that machines told", told)
	}
	for i := range 1 << 17 {
		n.own(fmt.Sprint("own ", i))
	}
	last := n.own(fmt.Sprint("own ", maxNames/2-1))
	if len(n.texts) != 1<<16 || last != 1<<16-1 || n.own("one more") != otherName || n.number("told 0") != firstName {
		t.Errorf("%d names, the last %d", len(n.texts), last)
	}
}
