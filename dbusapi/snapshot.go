// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"math"
	"reflect"

	"github.com/godbus/dbus/v5"
)

// snapshot holds the value of each property at one moment, in the order of the
// property table. It is never changed once made, so that any number of callers
// may read it while the next one is made.
type snapshot []any

func newSnapshot(o Overview) snapshot {
	// Nothing can be cancelled when nothing runs, whatever the last job said.
	o.Status.Cancelable = o.Status.Cancelable && o.Transaction != ""
	// A NaN would differ from itself and be announced for ever.
	if p := o.Status.Progress; math.IsNaN(p) {
		o.Status.Progress = 0
	}
	o.Status.Progress = min(max(o.Status.Progress, 0), 1)
	s := make(snapshot, len(properties))
	for i, p := range properties {
		s[i] = p.get(o)
	}
	return s
}

// all is the answer to GetAll.
func (s snapshot) all() dict {
	d := make(dict, len(s))
	for i, p := range properties {
		d[p.name] = dbus.MakeVariant(s[i])
	}
	return d
}

// changes is what PropertiesChanged tells somebody who knows old.
func (s snapshot) changes(old snapshot) dict {
	d := dict{}
	for i, p := range properties {
		if !p.constant && !equal(s[i], old[i]) {
			d[p.name] = dbus.MakeVariant(s[i])
		}
	}
	return d
}

// equal compares two values of one property. A list has no == of its own.
func equal(a, b any) bool {
	return reflect.DeepEqual(a, b)
}

// difference tells how s differs from what was there before it.
func (s snapshot) difference(old snapshot) difference {
	if old == nil {
		return differs
	}
	found := same
	for i, p := range properties {
		switch {
		case equal(s[i], old[i]):
		case p.paced:
			found = max(found, progressed)
		default:
			return differs
		}
	}
	return found
}

// difference is how one snapshot differs from another, the greatest last.
type difference int

const (
	same       difference = iota
	progressed            // only paced properties differ
	differs
)
