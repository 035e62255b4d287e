// SPDX-License-Identifier: LGPL-2.1-or-later

package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"
)

// Schedule says when a machine asks its server by itself.
type Schedule struct {
	// Interval lies between two checks.
	Interval time.Duration
	// FirstCheck is the least time after the daemon's start.
	FirstCheck time.Duration
	// MachineID shifts Interval by up to a tenth to either side and FirstCheck
	// by up to a tenth later, always the same way, so that a fleet switched on
	// together does not ask together.
	MachineID string
}

// retryBase is the wait after the first failure; it doubles with each.
const retryBase = 5 * time.Minute

// Next returns when to check: failures is how many checks in a row have
// failed since lastCheck, the last attempt, which is zero for never. A
// lastCheck in the future, left by a clock that was wrong, counts as never.
func (s Schedule) Next(now, started, lastCheck time.Time, failures int) time.Time {
	earliest := started.Add(s.FirstCheck + part(s.share(), s.FirstCheck))
	if lastCheck.IsZero() || lastCheck.After(now) {
		return earliest
	}
	due := lastCheck.Add(s.wait(failures))
	if due.Before(earliest) {
		return earliest
	}
	return due
}

// RetryAt returns when automatic work may be tried again that has failed so
// many times in a row, at lastFailure for the last time: at the latest when
// the next check is due, too. It is zero when nothing has failed.
func (s Schedule) RetryAt(lastFailure time.Time, failures int) time.Time {
	if failures <= 0 || lastFailure.IsZero() {
		return time.Time{}
	}
	return lastFailure.Add(s.wait(failures))
}

// wait is the time between two checks, or less after failures.
func (s Schedule) wait(failures int) time.Duration {
	return min(s.shift(s.Interval), s.retry(failures))
}

// retry is the exponential wait after so many failures, without end after none.
func (s Schedule) retry(failures int) time.Duration {
	if failures <= 0 {
		return math.MaxInt64
	}
	// Sixteen doublings are already longer than any sensible interval.
	return s.shift(retryBase << min(failures-1, 16))
}

// shift moves d by this machine's share of a tenth, earlier or later.
func (s Schedule) shift(d time.Duration) time.Duration {
	return d + part(2*s.share()-1, d)
}

// share is this machine's own number, from 0 to less than 1.
func (s Schedule) share() float64 {
	sum := sha256.Sum256([]byte("schedule\x00" + s.MachineID))
	return float64(binary.BigEndian.Uint32(sum[:4])) / (1 << 32)
}

// part is a share of a tenth of d.
func part(share float64, d time.Duration) time.Duration {
	return time.Duration(share * float64(d) / 10)
}
