// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"fmt"
	"strings"
	"testing"
)

// The history keeps the newest transactions, newest first, and of a long text
// its beginning.
func TestHistory(t *testing.T) {
	var h History
	for i := range historyEntries + 5 {
		before := h
		h = h.With(HistoryEntry{Transaction: fmt.Sprint(i)})
		if want := min(i+1, historyEntries); len(h) != want {
			t.Fatalf("%d entries, want %d", len(h), want)
		}
		if len(before) > 0 && before[0].Transaction != fmt.Sprint(i-1) {
			t.Fatal("the history before was changed")
		}
		for back, e := range h {
			if e.Transaction != fmt.Sprint(i-back) {
				t.Fatalf("entry %d is of transaction %s, want %d", back, e.Transaction, i-back)
			}
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"none":  {"", ""},
		"short": {"why", "why"},
		"just":  {strings.Repeat("x", messageRunes), strings.Repeat("x", messageRunes)},
		"long":  {strings.Repeat("ü", messageRunes+1), strings.Repeat("ü", messageRunes)},
	} {
		h := History(nil).With(HistoryEntry{Message: c.text})
		if h[0].Message != c.want {
			t.Errorf("%s: %q", name, h[0].Message)
		}
	}
}

// The largest history that can be is small enough to be read again.
func TestHistoryFitsTheRecord(t *testing.T) {
	dir := stateFolder(t)
	s := mustOpenStore(t, dir)
	mustChange(t, s, func(r *Record) {
		r.HighestGood = alpha1
		for range 2 * historyEntries {
			r.History = r.History.With(HistoryEntry{
				Transaction: strings.Repeat("x", 26), Version: strings.Repeat("x", 64), From: strings.Repeat("x", 64),
				ErrorName: strings.Repeat("x", 64), Message: strings.Repeat("\x01", 10*messageRunes),
			})
		}
	})
	if r := mustOpenStore(t, dir).Record(); r.HighestGood != alpha1 || len(r.History) != historyEntries {
		t.Errorf("%d entries, highest good %q", len(r.History), r.HighestGood)
	}
}
