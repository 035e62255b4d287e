// SPDX-License-Identifier: LGPL-2.1-or-later

package policy

import (
	"errors"
	"fmt"
)

// Why an offered version is not installed.
var (
	// ErrNotNewer: the offer is the running version or an older one.
	ErrNotNewer = errors.New("no update available")
	// ErrDowngrade: newer than what runs, but older than what was good here.
	ErrDowngrade = errors.New("older than a version that was good here")
)

// Accept decides whether offered may replace running on a machine where
// highestGood, possibly none, is the highest version ever confirmed good. The
// error wraps ErrNotNewer or ErrDowngrade.
func Accept(offered, running, highestGood Version) error {
	if offered.Compare(running) <= 0 {
		return fmt.Errorf("%w: %s is offered, %s runs", ErrNotNewer, offered, running)
	}
	if offered.Compare(highestGood) < 0 {
		return fmt.Errorf("%w: %s", ErrDowngrade, highestGood)
	}
	return nil
}
