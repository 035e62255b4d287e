// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"cmp"
	"time"
)

// Limits bounds how long a call may take; how many bytes it may bring is said
// in each call. The package comment tells how they work together.
type Limits struct {
	// Attempts is how many attempts a file has.
	Attempts int
	// ConnectTimeout is for name and connection, and again for the TLS handshake.
	ConnectTimeout time.Duration
	// HeaderTimeout is from the request to the end of the answer's header.
	HeaderTimeout time.Duration
	// StallBytes must arrive in every StallWindow of receiving, and in every
	// StallTotal of the whole call.
	StallBytes              int64
	StallWindow, StallTotal time.Duration
	// BackoffBase is the longest wait after a first failure; it doubles with
	// each further one in a row. Half of a wait is random, so that machines cut
	// off together do not come back together.
	BackoffBase time.Duration
}

// DefaultLimits returns the limits an installed system uses: 10 KiB/s over any
// minute, and waits of at most 2, 4, 8 and 16 seconds between five attempts.
func DefaultLimits() Limits {
	return Limits{
		Attempts:       5,
		ConnectTimeout: 15 * time.Second,
		HeaderTimeout:  30 * time.Second,
		StallBytes:     60 * 10 << 10,
		StallWindow:    time.Minute,
		StallTotal:     3 * time.Minute,
		BackoffBase:    2 * time.Second,
	}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	return Limits{
		Attempts:       cmp.Or(l.Attempts, d.Attempts),
		ConnectTimeout: cmp.Or(l.ConnectTimeout, d.ConnectTimeout),
		HeaderTimeout:  cmp.Or(l.HeaderTimeout, d.HeaderTimeout),
		StallBytes:     cmp.Or(l.StallBytes, d.StallBytes),
		StallWindow:    cmp.Or(l.StallWindow, d.StallWindow),
		StallTotal:     cmp.Or(l.StallTotal, d.StallTotal),
		BackoffBase:    cmp.Or(l.BackoffBase, d.BackoffBase),
	}
}
