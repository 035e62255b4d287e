// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"maps"
	"sync"
	"time"
)

// How often one user may have the server asked, and the disk read.
const (
	checkBurst    = 5
	checkInterval = 2 * time.Second
)

// rate allows each user checkBurst calls at once and then one per
// checkInterval. Root is not limited.
type rate struct {
	mu sync.Mutex
	// paidUp is, by user, the time at which all calls so far will have been
	// paid for at one per checkInterval.
	paidUp map[uint32]time.Time
}

func newRate() *rate {
	return &rate{paidUp: map[uint32]time.Time{}}
}

// allow tells whether uid may call at now, and counts the call if so.
func (r *rate) allow(uid uint32, now time.Time) bool {
	if uid == 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.paidUp, func(_ uint32, t time.Time) bool { return !t.After(now) })
	paidUp, owes := r.paidUp[uid]
	if !owes {
		paidUp = now
	}
	paidUp = paidUp.Add(checkInterval)
	if paidUp.Sub(now) > checkBurst*checkInterval {
		return false
	}
	r.paidUp[uid] = paidUp
	return true
}
