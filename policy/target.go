// SPDX-License-Identifier: LGPL-2.1-or-later

package policy

import (
	"errors"
	"fmt"
	"slices"
)

// ErrInUse: every volume that could be overwritten is in use.
var ErrInUse = errors.New("no other spare volume, and this one is held open")

// Slot is a volume that holds, or may hold, a system.
type Slot struct {
	Version Version
	// InUse: the kernel has it open, whatever its name says.
	InUse bool
}

// Target says which volume a release goes to.
type Target struct {
	// Replaces is the version whose volume is overwritten, possibly the
	// release's own after an interrupted update. Zero: a new volume.
	Replaces Version
	// Reason says why this one, for the log.
	Reason string
}

// ChooseTarget picks the volume that release overwrites: its own, when an
// interrupted update left one; else the oldest that does not hold a protected
// version and is not in use; else a new one. A volume in use is passed over;
// when only such are left the error is ErrInUse, because making room for a
// third system without being asked would fill the group.
func ChooseTarget(slots []Slot, release Version, protected ...Version) (Target, error) {
	var oldest, busy Version
	for _, s := range slots {
		own := s.Version.Compare(release) == 0
		switch {
		case isOneOf(s.Version, protected):
		case s.InUse && own:
			return Target{}, fmt.Errorf("%s: %w", s.Version, ErrInUse)
		case own:
			return Target{Replaces: s.Version, Reason: "left unfinished by an earlier run"}, nil
		case s.InUse:
			busy = s.Version
		case oldest.IsZero() || s.Version.Compare(oldest) < 0:
			oldest = s.Version
		}
	}
	switch {
	case !oldest.IsZero():
		return Target{Replaces: oldest, Reason: "oldest version that neither runs nor is in use"}, nil
	case !busy.IsZero():
		return Target{}, fmt.Errorf("%s: %w", busy, ErrInUse)
	}
	return Target{Reason: "no spare volume"}, nil
}

func isOneOf(v Version, list []Version) bool {
	return slices.ContainsFunc(list, func(o Version) bool { return v.Compare(o) == 0 })
}
