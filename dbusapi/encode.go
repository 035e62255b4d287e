// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"fmt"
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
	}
}

func decodeCheck(d dict) updater.Check {
	return updater.Check{
		Available:     entry[bool](d, "available"),
		Version:       entry[string](d, "version"),
		Running:       entry[string](d, "running"),
		DownloadBytes: whole(entry[uint64](d, "download_bytes")),
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

// signal is the name and the arguments that tell e on the bus.
func signal(e updater.Event) (name string, args []any) {
	switch e := e.(type) {
	case updater.ProgressEvent:
		s := e.Status
		return "Progress", []any{
			text(e.Transaction), text(string(s.Stage)), s.Progress, count(s.BytesDone), count(s.BytesTotal),
		}
	case updater.CompletedEvent:
		pair := errorPair{}
		if e.Err != nil {
			pair = errorPair{busErrorName(e.Err), text(e.Err.Error())}
		}
		return "Completed", []any{text(e.Transaction), text(e.Version), pair.Name, pair.Message}
	case updater.UpdateAvailableEvent:
		return "UpdateAvailable", []any{text(e.Check.Version), encodeCheck(e.Check)}
	case updater.RebootRequiredEvent:
		return "RebootRequired", []any{text(e.Version)}
	}
	panic(fmt.Sprintf("no signal for a %T", e)) // the set of events is closed
}

// event is the opposite of signal; false for what is none of these.
func event(name string, args []any) (updater.Event, bool) {
	var err error
	switch name {
	case "Progress":
		var e updater.ProgressEvent
		var done, total uint64
		err = dbus.Store(args, &e.Transaction, &e.Status.Stage, &e.Status.Progress, &done, &total)
		e.Status.BytesDone, e.Status.BytesTotal = whole(done), whole(total)
		return e, err == nil
	case "Completed":
		var e updater.CompletedEvent
		var pair errorPair
		err = dbus.Store(args, &e.Transaction, &e.Version, &pair.Name, &pair.Message)
		e.Err = remoteError(pair.Name, pair.Message)
		return e, err == nil
	case "UpdateAvailable":
		var version string
		var d dict
		err = dbus.Store(args, &version, &d)
		return updater.UpdateAvailableEvent{Check: decodeCheck(d)}, err == nil
	case "RebootRequired":
		var e updater.RebootRequiredEvent
		err = dbus.Store(args, &e.Version)
		return e, err == nil
	}
	return nil, false
}
