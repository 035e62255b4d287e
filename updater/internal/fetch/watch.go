// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"context"
	"time"
)

// heartbeat is how often progress is called.
const heartbeat = 250 * time.Millisecond

// windowSteps is into how many steps a window is divided: a stall is noticed a
// step late, never early.
const windowSteps = 8

// watch stands beside the goroutine that does the work of a call: it reports
// progress and ends what is too slow. It is needed because net/http has a
// timeout for the header of an answer but none for the reads of its body.
type watch struct {
	url      string
	limits   Limits
	progress func(done, total int64)
	meter    meter
	quiet    quiet
}

// during runs work in a goroutine of its own and returns, when it has ended, its
// error, or why the watch ended it.
func (w *watch) during(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() { ended <- work(ctx) }()

	tick := time.NewTicker(min(heartbeat, w.limits.StallWindow/windowSteps, w.limits.StallTotal/windowSteps))
	defer tick.Stop()
	var p pace
	for {
		select {
		case err := <-ended:
			// Even after a success: to cancel closes the connection, and a
			// server that sees it close may end its body as if it were whole.
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		case <-tick.C:
			w.report()
			if err := w.check(&p, time.Now()); err != nil {
				cancel(err)
			}
		}
	}
}

func (w *watch) report() {
	if w.progress != nil {
		done, total := w.meter.position()
		w.progress(done, total)
	}
}

// check returns why the work is to be ended, nil while it may go on.
func (w *watch) check(p *pace, now time.Time) error {
	received, receiving := w.meter.arrived()
	l := w.limits
	if w.quiet.exceeds(l, now, received) {
		return permanent(w.url, ErrTooSlow, "less than %d bytes in %v", l.StallBytes, l.StallTotal)
	}
	if receiving && p.tooSlow(l, now, received) {
		return passing(w.url, ErrTooSlow, "less than %d bytes in %v", l.StallBytes, l.StallWindow)
	}
	return nil
}

// mark is how many bytes had arrived at one moment.
type mark struct {
	at    time.Time
	bytes int64
}

// pace judges the rate of one body by a window that slides with it.
type pace struct{ marks []mark }

// tooSlow takes note of what has arrived by now and judges the last window, once
// there was a whole one. The first mark is the youngest that is at least a window
// old.
func (p *pace) tooSlow(l Limits, now time.Time, received int64) bool {
	n := len(p.marks)
	if n > 0 && now.Sub(p.marks[n-1].at) < l.StallWindow/windowSteps {
		return false
	}
	p.marks = append(p.marks, mark{now, received})
	for len(p.marks) > 1 && now.Sub(p.marks[1].at) >= l.StallWindow {
		p.marks = p.marks[1:]
	}
	oldest := p.marks[0]
	return now.Sub(oldest.at) >= l.StallWindow && received-oldest.bytes < l.StallBytes
}

// quiet is the time a whole call has gone on without StallBytes of new bytes.
type quiet struct{ since mark }

func (q *quiet) restart(now time.Time, received int64) { q.since = mark{now, received} }

func (q *quiet) exceeds(l Limits, now time.Time, received int64) bool {
	if received-q.since.bytes >= l.StallBytes {
		q.restart(now, received)
	}
	return now.Sub(q.since.at) >= l.StallTotal
}
