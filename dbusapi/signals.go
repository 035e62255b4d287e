// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"fmt"

	"github.com/clipos/updater/updater"
	"github.com/godbus/dbus/v5"
)

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
	case updater.RolledBackEvent:
		return "RolledBack", []any{text(e.From), text(e.To)}
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
	case "RolledBack":
		var e updater.RolledBackEvent
		err = dbus.Store(args, &e.From, &e.To)
		return e, err == nil
	}
	return nil, false
}
