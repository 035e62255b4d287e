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
	// StaleAfter is how old the last successful check may be.
	StaleAfter time.Duration
}
