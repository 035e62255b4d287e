// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"sync"
	"time"

	"github.com/clipos/updater/updater"
)

// paceInterval lies between two signals that tell of nothing but progress: at
// most four a second.
const paceInterval = time.Second / 4

// emission is one thing to be told on the bus: a new state of the properties,
// or an event.
type emission struct {
	properties snapshot
	event      updater.Event
}

// outbox is what is to be told, in order. Putting never waits, whatever the bus
// does; mere progress is kept only in its newest state and handed out at its
// pace, so the outbox stays small while nobody takes from it.
type outbox struct {
	// wake holds a token while there may be something new to take.
	wake chan struct{}

	mu       sync.Mutex
	newest   snapshot              // of all that were put
	reported updater.ProgressEvent // the newest that was put
	urgent   []emission
	changes  pacer
	progress pacer
}

// pacer holds back the newest of its kind until due.
type pacer struct {
	held *emission
	due  time.Time
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1)}
}

// putProperties puts s, which is newer than all before it.
func (o *outbox) putProperties(s snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch s.difference(o.newest) {
	case differs:
		o.changes.held = nil // s tells that too
		o.urgent = append(o.urgent, emission{properties: s})
	case progressed:
		o.changes.held = &emission{properties: s}
	}
	o.newest = s
	o.signal()
}

func (o *outbox) putEvent(e updater.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := e.(type) {
	case updater.ProgressEvent:
		sameStage := e.Transaction == o.reported.Transaction && e.Status.Stage == o.reported.Status.Stage
		o.reported = e
		if sameStage {
			o.progress.held = &emission{event: e}
			o.signal()
			return
		}
		o.progress.held = nil
	case updater.CompletedEvent:
		o.progress.held = nil // no progress after the end
	}
	o.urgent = append(o.urgent, emission{event: e})
	o.signal()
}

// putBack returns what could not be told to the front.
func (o *outbox) putBack(e emission) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.urgent = append([]emission{e}, o.urgent...)
}

// renew forgets what a new connection need not be told, for whoever listens
// there reads the properties first: all but the events that happen once. It
// returns what they read.
func (o *outbox) renew() snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changes.held, o.progress.held = nil, nil
	var once []emission
	for _, e := range o.urgent {
		if _, progress := e.event.(updater.ProgressEvent); e.event != nil && !progress {
			once = append(once, e)
		}
	}
	o.urgent = once
	return o.newest
}

// take hands out what is to be told now. If that is nothing, wait is how long
// until something falls due; negative when nothing is held back.
func (o *outbox) take(now time.Time) (e emission, wait time.Duration, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.urgent) > 0 {
		e = o.urgent[0]
		o.urgent = o.urgent[1:]
		o.toldAt(now, e)
		return e, 0, true
	}
	wait = -1
	for _, p := range []*pacer{&o.changes, &o.progress} {
		if p.held == nil {
			continue
		}
		left := p.due.Sub(now)
		if left <= 0 {
			e, p.held = *p.held, nil
			o.toldAt(now, e)
			return e, 0, true
		}
		if wait < 0 || left < wait {
			wait = left
		}
	}
	return emission{}, wait, false
}

// toldAt sets when the next of e's kind may follow.
func (o *outbox) toldAt(now time.Time, e emission) {
	if _, progress := e.event.(updater.ProgressEvent); progress {
		o.progress.due = now.Add(paceInterval)
	}
	if e.properties != nil {
		o.changes.due = now.Add(paceInterval)
	}
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
