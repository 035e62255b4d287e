// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"math"

	"github.com/clipos/updater/updater"
	"github.com/godbus/dbus/v5"
)

// The dictionaries of the interface and back.

func encodeCheck(c updater.Check) dict {
	return dict{
		"available":      dbus.MakeVariant(c.Available),
		"version":        dbus.MakeVariant(text(c.Version)),
		"running":        dbus.MakeVariant(text(c.Running)),
		"download_bytes": dbus.MakeVariant(count(c.DownloadBytes)),
		"failed_before":  dbus.MakeVariant(c.FailedBefore),
	}
}

func decodeCheck(d dict) updater.Check {
	return updater.Check{
		Available:     entry[bool](d, "available"),
		Version:       entry[string](d, "version"),
		Running:       entry[string](d, "running"),
		DownloadBytes: whole(entry[uint64](d, "download_bytes")),
		FailedBefore:  entry[bool](d, "failed_before"),
	}
}

func encodeInstalled(v updater.Installed) dict {
	return dict{
		"version":    dbus.MakeVariant(text(v.Version)),
		"state":      dbus.MakeVariant(text(string(v.State))),
		"volume":     dbus.MakeVariant(text(v.Volume)),
		"entry":      dbus.MakeVariant(text(v.Entry)),
		"size":       dbus.MakeVariant(count(v.SizeBytes)),
		"tries_left": dbus.MakeVariant(tries(v.TriesLeft)),
		"tries_done": dbus.MakeVariant(tries(v.TriesDone)),
	}
}

// tries is a boot counter, which comes from a file name of any length.
func tries(n int) int32 {
	return int32(min(max(n, -1), math.MaxInt32))
}

func decodeInstalled(d dict) updater.Installed {
	return updater.Installed{
		Version:   entry[string](d, "version"),
		State:     updater.InstalledState(entry[string](d, "state")),
		Volume:    entry[string](d, "volume"),
		Entry:     entry[string](d, "entry"),
		SizeBytes: whole(entry[uint64](d, "size")),
		TriesLeft: int(entry[int32](d, "tries_left")),
		TriesDone: int(entry[int32](d, "tries_done")),
	}
}

func encodePlan(p updater.Plan) dict {
	return dict{
		"version":          dbus.MakeVariant(text(p.Version)),
		"method":           dbus.MakeVariant(text(string(p.Method))),
		"download_bytes":   dbus.MakeVariant(count(p.DownloadBytes)),
		"reuse_bytes":      dbus.MakeVariant(count(p.ReuseBytes)),
		"write_bytes":      dbus.MakeVariant(count(p.WriteBytes)),
		"volume":           dbus.MakeVariant(text(p.Volume)),
		"replaces_volume":  dbus.MakeVariant(text(p.ReplacedVolume)),
		"reason":           dbus.MakeVariant(text(p.Reason)),
		"entry":            dbus.MakeVariant(text(p.Entry)),
		"replaces_entries": dbus.MakeVariant(texts(p.ReplacedEntries)),
		"cache_space":      dbus.MakeVariant(count(p.CacheBytes)),
		"esp_space":        dbus.MakeVariant(count(p.ESPBytes)),
		"group_space":      dbus.MakeVariant(count(p.GroupBytes)),
		"blockers":         dbus.MakeVariant(encodeBlockers(p.Blockers)),
	}
}

func decodePlan(d dict) updater.Plan {
	blockers, _ := decodeBlockers(d["blockers"].Value())
	return updater.Plan{
		Version:         entry[string](d, "version"),
		Method:          updater.Method(entry[string](d, "method")),
		DownloadBytes:   whole(entry[uint64](d, "download_bytes")),
		ReuseBytes:      whole(entry[uint64](d, "reuse_bytes")),
		WriteBytes:      whole(entry[uint64](d, "write_bytes")),
		Volume:          entry[string](d, "volume"),
		ReplacedVolume:  entry[string](d, "replaces_volume"),
		Reason:          entry[string](d, "reason"),
		Entry:           entry[string](d, "entry"),
		ReplacedEntries: entry[[]string](d, "replaces_entries"),
		CacheBytes:      whole(entry[uint64](d, "cache_space")),
		ESPBytes:        whole(entry[uint64](d, "esp_space")),
		GroupBytes:      whole(entry[uint64](d, "group_space")),
		Blockers:        blockers,
	}
}

// encodeBlockers copies blockers with their texts cut; never nil. A blocker is
// (ss) as it is.
func encodeBlockers(blockers []updater.Blocker) []updater.Blocker {
	cut := make([]updater.Blocker, len(blockers))
	for i, b := range blockers {
		cut[i] = updater.Blocker{Code: b.Code, Text: text(b.Text)}
	}
	return cut
}

// decodeBlockers is the opposite of encodeBlockers; false for what is no a(ss).
func decodeBlockers(v any) ([]updater.Blocker, bool) {
	var blockers []updater.Blocker
	if v == nil || dbus.Store([]any{v}, &blockers) != nil { // the library panics on nil
		return nil, false
	}
	return blockers, true
}

// maxHistoryBytes bounds the texts of a history: whoever reads it with Client
// takes no message over maxMessageBytes, and each entry has some 300 bytes of
// names and numbers besides.
const (
	maxHistoryBytes   = maxMessageBytes * 3 / 4
	historyEntryBytes = 300
)

// encodeHistory is as many entries as a message takes, the first ones.
func encodeHistory(entries []updater.HistoryEntry) []dict {
	list, size := []dict{}, 0
	for _, e := range entries {
		d := encodeHistoryEntry(e)
		size += historyEntryBytes
		for _, v := range d {
			s, _ := v.Value().(string)
			size += len(s)
		}
		if size > maxHistoryBytes {
			break
		}
		list = append(list, d)
	}
	return list
}

func encodeHistoryEntry(e updater.HistoryEntry) dict {
	return dict{
		"transaction": dbus.MakeVariant(text(e.Transaction)),
		"version":     dbus.MakeVariant(text(e.Version)),
		"from":        dbus.MakeVariant(text(e.From)),
		"started":     dbus.MakeVariant(micros(e.Started)),
		"finished":    dbus.MakeVariant(micros(e.Finished)),
		"result":      dbus.MakeVariant(text(string(e.Result))),
		"error":       dbus.MakeVariant(text(fullName(shortName(e.ErrorName)))),
		"message":     dbus.MakeVariant(text(e.Message)),
		"bytes":       dbus.MakeVariant(count(e.Bytes)),
	}
}

func decodeHistoryEntry(d dict) updater.HistoryEntry {
	return updater.HistoryEntry{
		Transaction: entry[string](d, "transaction"),
		Version:     entry[string](d, "version"),
		From:        entry[string](d, "from"),
		Started:     fromMicros(entry[uint64](d, "started")),
		Finished:    fromMicros(entry[uint64](d, "finished")),
		Result:      updater.Result(entry[string](d, "result")),
		ErrorName:   shortName(entry[string](d, "error")),
		Message:     entry[string](d, "message"),
		Bytes:       whole(entry[uint64](d, "bytes")),
	}
}
