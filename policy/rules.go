// SPDX-License-Identifier: LGPL-2.1-or-later

package policy

import "time"

// Mode is how far a machine goes by itself. The value is the public name.
type Mode string

// The modes, each going further than the one before.
const (
	ModeCheck   Mode = "check"
	ModeFetch   Mode = "fetch"
	ModeInstall Mode = "install"
)

// Rules are what the administrator allows the machine to do by itself, and
// when.
type Rules struct {
	Mode Mode
	// Interval lies between two checks; FirstCheck is the least time after
	// the daemon's start.
	Interval, FirstCheck time.Duration
	// Windows are when updates may be installed, always when there are none.
	Windows []Window
	// RequireACPower: nothing is installed on battery power.
	RequireACPower bool
	// AllowMetered: payloads are fetched over networks that cost by volume.
	AllowMetered bool
	// StaleAfter is how old the last successful check may be.
	StaleAfter time.Duration
}

// InWindow tells whether updates may be installed at t.
func (r Rules) InWindow(t time.Time) bool {
	for _, w := range r.Windows {
		if w.Contains(t) {
			return true
		}
	}
	return len(r.Windows) == 0
}

// NextWindow returns when a maintenance window next begins, at t or later. It
// is zero when there are none.
func (r Rules) NextWindow(t time.Time) time.Time {
	var next time.Time
	for _, w := range r.Windows {
		if begin := w.Next(t); next.IsZero() || !begin.IsZero() && begin.Before(next) {
			next = begin
		}
	}
	return next
}
