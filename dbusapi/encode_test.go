// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// A history of any length is a message that the client takes.
func TestHistoryFitsIntoAMessage(t *testing.T) {
	long := updater.HistoryEntry{Message: strings.Repeat("é", 5000), ErrorName: "Internal"}
	for name, c := range map[string]struct {
		entries []updater.HistoryEntry
		least   int
	}{
		"none":  {nil, 0},
		"two":   {sampleHistory, 2},
		"short": {make([]updater.HistoryEntry, 10_000), 150},
		"long":  {append([]updater.HistoryEntry{long}, make([]updater.HistoryEntry, 10_000)...), 150},
		"texts": {[]updater.HistoryEntry{long, long, long, long, long, long, long, long, long, long}, 10},
	} {
		list := encodeHistory(c.entries)
		size := len(message(t, binary.LittleEndian, list))
		if size > maxMessageBytes || len(list) < c.least || len(list) > len(c.entries) {
			t.Errorf("%s: %d of %d entries in %d bytes", name, len(list), len(c.entries), size)
		}
	}
}

// The bus has full names, this side of it has short ones.
func TestErrorNamesOfTheHistory(t *testing.T) {
	for _, given := range []string{"TooSlow", "org.clipos.Updater1.Error.TooSlow"} {
		d := encodeHistoryEntry(updater.HistoryEntry{ErrorName: given})
		if got := d["error"].Value(); got != "org.clipos.Updater1.Error.TooSlow" {
			t.Errorf("%s becomes %q", given, got)
		}
		if got := decodeHistoryEntry(d).ErrorName; got != "TooSlow" {
			t.Errorf("%s comes back as %q", given, got)
		}
	}
	if got := encodeHistoryEntry(updater.HistoryEntry{})["error"].Value(); got != "" {
		t.Errorf("no error becomes %q", got)
	}
}

// A service of a later time may answer with less or with other types.
func TestDictionariesOfAnotherTime(t *testing.T) {
	strange := dict{}
	for key := range encodePlan(samplePlan) {
		strange[key] = encodeCheck(updater.Check{})["available"]
	}
	for name, d := range map[string]dict{"nothing": nil, "all booleans": strange} {
		if p := decodePlan(d); p.Version != "" || p.DownloadBytes != 0 || len(p.Blockers) != 0 || len(p.ReplacedEntries) != 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// What the controller says reaches the bus cut, in answers as in properties.
func TestTextsOfAnswersAreCut(t *testing.T) {
	bus := dbustest.Start(t)
	start(t, bus, &longWinded{})
	client := newClient(t, bus)
	if chosen, err := client.Rollback(t.Context(), ""); err != nil || len(chosen) != maxTextBytes {
		t.Errorf("%d bytes, %v", len(chosen), err)
	}
	long := strings.Repeat("x\x00", maxTextBytes)
	p := encodePlan(updater.Plan{Reason: long, ReplacedEntries: []string{long}, Blockers: []updater.Blocker{{Text: long}}})
	decoded := decodePlan(p)
	for _, s := range []string{decoded.Reason, decoded.ReplacedEntries[0], decoded.Blockers[0].Text} {
		if s != text(long) {
			t.Errorf("%d bytes", len(s))
		}
	}
}

// longWinded is a controller with long answers.
type longWinded struct{ fakeController }

func (*longWinded) Rollback(context.Context, string) (string, error) {
	return strings.Repeat("x", 5000), nil
}
