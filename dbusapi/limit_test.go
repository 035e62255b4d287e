// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	r := newRate()
	allowed := func(uid uint32, after time.Duration) (n int) {
		for r.allow(uid, noon.Add(after)) && n < 1000 {
			n++
		}
		return n
	}
	for _, step := range []struct {
		name  string
		uid   uint32
		after time.Duration
		want  int
	}{
		{"five at once", 1000, 0, 5},
		{"and no more", 1000, time.Second, 0},
		{"another user has their own", 1001, time.Second, 5},
		{"one after two seconds", 1000, 2 * time.Second, 1},
		{"refused calls cost nothing", 1000, 4 * time.Second, 1},
		{"three after six more", 1000, 10 * time.Second, 3},
		{"never more than five", 1000, time.Hour, 5},
		{"root is not limited", 0, time.Hour, 1000},
	} {
		if got := allowed(step.uid, step.after); got != step.want {
			t.Errorf("%s: %d, want %d", step.name, got, step.want)
		}
	}
	if len(r.paidUp) != 1 {
		t.Errorf("remembers %d users", len(r.paidUp))
	}
}
