// SPDX-License-Identifier: LGPL-2.1-or-later

package policy

import (
	"fmt"
	"strings"
	"time"
)

// Window is a maintenance window: a stretch of time on some days of each
// week, that belongs to the day it begins on. The zero value contains nothing.
//
// A window begins and ends when the clock of its time zone first shows the
// time, or jumps over it. So a window that begins in the hour that is left
// out in spring begins after it, one that lies wholly in that hour does not
// open on this day, and where windows meet there is never a gap. While an hour
// is shown again in autumn, what has begun in it goes on and what has ended
// stays over, as if the clock stood still until it is as far again.
type Window struct {
	days weekdays
	// begin and end are minutes from the beginning of the day; end is greater
	// than begin and may lie on the next day.
	begin, end int
	// zone is nil for that of the time asked about.
	zone *time.Location
}

const (
	minutesPerDay = 24 * 60
	// No clock is further from UTC than this.
	maxZoneOffset = 26 * time.Hour
	// A weekly window that lies in an hour left out opens a week later; twice
	// that, and some days, is enough to find the next of every window.
	maxDaysAhead = 21
)

// Contains tells whether t lies in the window.
func (w Window) Contains(t time.Time) bool {
	zone := w.zoneOf(t)
	today := dateOf(t.In(zone))
	// Tomorrow too: a clock set back over midnight shows yesterday again.
	for n := -1; n <= 1; n++ {
		begin, end, ok := w.on(today.AddDate(0, 0, n), zone)
		if ok && !t.Before(begin) && t.Before(end) {
			return true
		}
	}
	return false
}

// Next returns when the window next begins, at t or later, in t's location.
// It is zero for a window that never opens.
func (w Window) Next(t time.Time) time.Time {
	zone := w.zoneOf(t)
	today := dateOf(t.In(zone))
	for n := -1; n <= maxDaysAhead; n++ {
		begin, _, ok := w.on(today.AddDate(0, 0, n), zone)
		if ok && !begin.Before(t) {
			return begin.In(t.Location())
		}
	}
	return time.Time{}
}

// String returns the window as [ParseWindow] reads it.
func (w Window) String() string {
	var b strings.Builder
	if w.days != everyDay {
		b.WriteString(w.days.String() + " ")
	}
	end := w.end
	if end > minutesPerDay {
		end -= minutesPerDay
	}
	fmt.Fprintf(&b, "%02d:%02d-%02d:%02d", w.begin/60, w.begin%60, end/60, end%60)
	if w.zone != nil {
		b.WriteString(" " + w.zone.String())
	}
	return b.String()
}

func (w Window) zoneOf(t time.Time) *time.Location {
	if w.zone != nil {
		return w.zone
	}
	return t.Location()
}

// on returns when the window of a date opens and closes, and whether it does.
func (w Window) on(date time.Time, zone *time.Location) (begin, end time.Time, ok bool) {
	if !w.days.has(date.Weekday()) {
		return begin, end, false
	}
	begin = reached(date.Add(time.Duration(w.begin)*time.Minute), zone)
	end = reached(date.Add(time.Duration(w.end)*time.Minute), zone)
	return begin, end, begin.Before(end)
}

// dateOf is the date that t's clock shows, at midnight UTC: there every day
// has 24 hours.
func dateOf(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// reached returns the first instant at which the clock of a zone shows what a
// clock of UTC shows at reading, or more. time.Date does not say which of two
// instants it takes, nor what it does about one that does not exist.
func reached(reading time.Time, zone *time.Location) time.Time {
	t := reading.Add(-maxZoneOffset).In(zone)
	for {
		_, offset := t.Zone()
		_, change := t.ZoneBounds()
		at := reading.Add(-time.Duration(offset) * time.Second)
		switch {
		case at.Before(t):
			return t
		case change.IsZero() || at.Before(change):
			return at
		}
		t = change
	}
}
