// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"bytes"
	"context"
	"encoding/binary"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// A history of any length is a message that the client takes: its first entries,
// which are the newest, each whole.
func TestHistoryFitsIntoAMessage(t *testing.T) {
	long := updater.HistoryEntry{Message: strings.Repeat("é", 5000), ErrorName: "Internal"}
	for name, c := range map[string]struct {
		entries []updater.HistoryEntry
		least   int
	}{
		"none":  {nil, 0},
		"some":  {numbered(1000), 100},
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
		for i, d := range list {
			if want := encodeHistoryEntry(c.entries[i]); !reflect.DeepEqual(d, want) {
				t.Fatalf("%s: entry %d is %v, want %v", name, i, d, want)
			}
		}
	}
}

// numbered is a history whose entries differ.
func numbered(n int) (entries []updater.HistoryEntry) {
	for i := range n {
		entries = append(entries, updater.HistoryEntry{Transaction: strconv.Itoa(i)})
	}
	return entries
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

// FuzzAnswers has a client read what any program that took our name might
// answer, in a message that was let through: no number of bytes or time is below
// zero, and what it understood it understands again.
func FuzzAnswers(f *testing.F) {
	overview := newSnapshot(Overview{DaemonVersion: "1", Overview: updater.Overview{
		OSName: "clipos", LastError: updater.ErrTooSlow, Blockers: []updater.Blocker{{Code: "held", Text: "audit"}}, FailedVersions: []string{"4.9.0"},
	}})
	for _, answer := range []any{
		encodeCheck(updater.Check{Version: "5.0.0", DownloadBytes: 1 << 30}), encodePlan(samplePlan), encodeHistory(sampleHistory),
		encodeInstalled(updater.Installed{Version: "5.0.0", TriesLeft: -1}), overview.all(),
	} {
		f.Add(message(f, binary.LittleEndian, answer))
		f.Add(message(f, binary.BigEndian, answer))
	}
	for _, e := range []updater.Event{
		updater.ProgressEvent{Transaction: "t1"}, updater.CompletedEvent{Transaction: "t1", Err: updater.ErrTooSlow}, updater.UpdateAvailableEvent{},
	} {
		_, args := signal(e)
		f.Add(message(f, binary.LittleEndian, args...))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		if !decodable(wire) {
			return
		}
		m, err := dbus.DecodeMessage(bytes.NewReader(wire))
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{"Progress", "Completed", "UpdateAvailable", "RebootRequired", "RolledBack"} {
			if e, ok := event(member, m.Body); ok {
				_, args := signal(e)
				if again, ok := event(member, args); !ok || reflect.TypeOf(again) != reflect.TypeOf(e) {
					t.Errorf("%+v becomes %+v", e, again)
				}
			}
		}
		var one dict
		if dbus.Store(m.Body, &one) == nil {
			checkAnswer(t, one)
		}
		var many []dict
		if dbus.Store(m.Body, &many) == nil {
			for _, d := range many {
				checkAnswer(t, d)
			}
		}
	})
}

// checkAnswer decodes an answer as each kind.
func checkAnswer(t *testing.T, d dict) {
	t.Helper()
	if c := decodeCheck(d); c.DownloadBytes < 0 || len(c.Version+c.Running) <= maxTextBytes && decodeCheck(encodeCheck(c)).DownloadBytes != c.DownloadBytes {
		t.Errorf("%+v", c)
	}
	if c := decodeInstalled(d); c.SizeBytes < 0 || c.TriesLeft >= 0 && decodeInstalled(encodeInstalled(c)).TriesLeft != c.TriesLeft {
		t.Errorf("%+v", c)
	}
	if c := decodePlan(d); min(c.DownloadBytes, c.ReuseBytes, c.WriteBytes, c.CacheBytes, c.ESPBytes, c.GroupBytes) < 0 {
		t.Errorf("%+v", c)
	}
	if c := decodeHistoryEntry(d); c.Bytes < 0 || fromMicros(micros(c.Started)).Before(c.Started.Truncate(time.Microsecond)) {
		t.Errorf("%+v", c)
	}
	var o Overview
	apply(&o, d)
	if s := o.Status; min(s.BytesDone, s.BytesTotal, s.BytesPerSecond, int64(s.Remaining)) < 0 {
		t.Errorf("%+v", s)
	}
}
