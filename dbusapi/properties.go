// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"math"
	"time"

	"github.com/clipos/updater/updater"
	"github.com/godbus/dbus/v5"
)

// Overview is everything the properties tell. On the client's side
// Status.Version is empty, no property has it, and LastError is a
// [*RemoteError].
type Overview struct {
	DaemonVersion string
	updater.Overview
}

// property is one row of the property table: how a property is read from an
// overview, and put back into one by a client.
type property struct {
	name string
	// constant properties never change while the service is on the bus.
	constant bool
	// paced properties only tell how far the job has come: a change of nothing
	// else may wait a moment.
	paced bool
	get   func(Overview) any
	set   func(*Overview, any)
}

// properties are all there are, in the order of the interface description.
var properties = []property{
	constant(stringProperty("DaemonVersion", func(o *Overview) *string { return &o.DaemonVersion })),
	constant(stringProperty("OSName", func(o *Overview) *string { return &o.OSName })),
	stringProperty("RunningVersion", func(o *Overview) *string { return &o.RunningVersion }),
	stringProperty("State", func(o *Overview) *updater.State { return &o.State }),
	stringProperty("Stage", func(o *Overview) *updater.Stage { return &o.Status.Stage }),
	stringProperty("Transaction", func(o *Overview) *string { return &o.Transaction }),
	paced(plainProperty("Progress", func(o *Overview) *float64 { return &o.Status.Progress })),
	paced(countProperty("BytesDone", func(o *Overview) *int64 { return &o.Status.BytesDone })),
	paced(countProperty("BytesTotal", func(o *Overview) *int64 { return &o.Status.BytesTotal })),
	paced(countProperty("Rate", func(o *Overview) *int64 { return &o.Status.BytesPerSecond })),
	paced(durationProperty("RemainingTime", func(o *Overview) *time.Duration { return &o.Status.Remaining })),
	plainProperty("Cancelable", func(o *Overview) *bool { return &o.Status.Cancelable }),
	stringProperty("AvailableVersion", func(o *Overview) *string { return &o.AvailableVersion }),
	stringProperty("PendingVersion", func(o *Overview) *string { return &o.PendingVersion }),
	stringProperty("FallbackVersion", func(o *Overview) *string { return &o.FallbackVersion }),
	plainProperty("RebootRequired", func(o *Overview) *bool { return &o.RebootRequired }),
	errorProperty("LastError", func(o *Overview) *error { return &o.LastError }),
	timeProperty("LastCheck", func(o *Overview) *time.Time { return &o.LastCheck }),
	timeProperty("LastSuccess", func(o *Overview) *time.Time { return &o.LastSuccess }),
	timeProperty("NextCheck", func(o *Overview) *time.Time { return &o.NextCheck }),
	plainProperty("Held", func(o *Overview) *bool { return &o.Held }),
	stringProperty("HoldReason", func(o *Overview) *string { return &o.HoldReason }),
	listProperty("Blockers", func(o *Overview) *[]updater.Blocker { return &o.Blockers }, encodeBlockers, decodeBlockers),
	listProperty("FailedVersions", func(o *Overview) *[]string { return &o.FailedVersions }, texts, decodeTexts),
	plainProperty("Stale", func(o *Overview) *bool { return &o.Stale }),
}

func constant(p property) property {
	p.constant = true
	return p
}

func paced(p property) property {
	p.paced = true
	return p
}

func plainProperty[T bool | float64](name string, field func(*Overview) *T) property {
	return property{
		name: name,
		get:  func(o Overview) any { return *field(&o) },
		set: func(o *Overview, v any) {
			if value, ok := v.(T); ok {
				*field(o) = value
			}
		},
	}
}

func stringProperty[S ~string](name string, field func(*Overview) *S) property {
	return property{
		name: name,
		get:  func(o Overview) any { return text(string(*field(&o))) },
		set: func(o *Overview, v any) {
			if value, ok := v.(string); ok {
				*field(o) = S(value)
			}
		},
	}
}

func numberProperty(name string, get func(*Overview) uint64, set func(*Overview, uint64)) property {
	return property{
		name: name,
		get:  func(o Overview) any { return get(&o) },
		set: func(o *Overview, v any) {
			if value, ok := v.(uint64); ok {
				set(o, value)
			}
		},
	}
}

func countProperty(name string, field func(*Overview) *int64) property {
	return numberProperty(name,
		func(o *Overview) uint64 { return count(*field(o)) },
		func(o *Overview, n uint64) { *field(o) = whole(n) })
}

func durationProperty(name string, field func(*Overview) *time.Duration) property {
	return numberProperty(name,
		func(o *Overview) uint64 { return count(field(o).Microseconds()) },
		func(o *Overview, n uint64) {
			*field(o) = time.Duration(whole(min(n, math.MaxInt64/1000))) * time.Microsecond
		})
}

func timeProperty(name string, field func(*Overview) *time.Time) property {
	return numberProperty(name,
		func(o *Overview) uint64 { return micros(*field(o)) },
		func(o *Overview, n uint64) { *field(o) = fromMicros(n) })
}

// listProperty is an array. encode copies and makes an empty one of nil, decode
// is false for what is of another type.
func listProperty[T any](name string, field func(*Overview) *[]T, encode func([]T) []T, decode func(any) ([]T, bool)) property {
	return property{
		name: name,
		get:  func(o Overview) any { return encode(*field(&o)) },
		set: func(o *Overview, v any) {
			if list, ok := decode(v); ok {
				*field(o) = list
			}
		},
	}
}

// errorPair is (ss): full D-Bus error name and message, both empty for none.
type errorPair struct{ Name, Message string }

func errorProperty(name string, field func(*Overview) *error) property {
	return property{
		name: name,
		get: func(o Overview) any {
			err := *field(&o)
			if err == nil {
				return errorPair{}
			}
			return errorPair{busErrorName(err), text(err.Error())}
		},
		set: func(o *Overview, v any) {
			var pair errorPair
			if dbus.Store([]any{v}, &pair) == nil {
				*field(o) = remoteError(pair.Name, pair.Message)
			}
		},
	}
}

// remoteError is the error a service told by name and message, nil when the
// name is empty.
func remoteError(name, message string) error {
	if name == "" {
		return nil
	}
	return &RemoteError{Name: name, Message: message}
}
