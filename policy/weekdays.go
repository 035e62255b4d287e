// SPDX-License-Identifier: LGPL-2.1-or-later

package policy

import (
	"fmt"
	"strings"
	"time"
)

// weekdays is a set: bit n is time.Weekday n.
type weekdays uint8

const everyDay weekdays = 1<<7 - 1

func (w weekdays) has(d time.Weekday) bool { return w&(1<<d) != 0 }

// parseWeekdays reads a list as calendar events have it, see systemd.time(7):
// "Mon,Wed..Fri". A range may go over the end of the week.
func parseWeekdays(s string) (weekdays, error) {
	var set weekdays
	for item := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(item, "..")
		if !isRange {
			to = from
		}
		first, err := parseWeekday(from)
		if err != nil {
			return 0, err
		}
		last, err := parseWeekday(to)
		if err != nil {
			return 0, err
		}
		for d := first; d != last; d = (d + 1) % 7 {
			set |= 1 << d
		}
		set |= 1 << last
	}
	return set, nil
}

func parseWeekday(s string) (time.Weekday, error) {
	word := strings.ToLower(s)
	for d := time.Sunday; d <= time.Saturday; d++ {
		if name := strings.ToLower(d.String()); word == name || word == name[:3] {
			return d, nil
		}
	}
	return 0, fmt.Errorf("%.20q is not a weekday like Mon or Monday", s)
}

// String writes the shortest list that begins on Monday, ranges only for
// three days and more.
func (w weekdays) String() string {
	var items []string
	for n := 0; n < 7; {
		run := w.run(n)
		switch {
		case run == 0:
			n++
			continue
		case run == 1:
			items = append(items, short(n))
		case run == 2:
			items = append(items, short(n), short(n+1))
		default:
			items = append(items, short(n)+".."+short(n+run-1))
		}
		n += run
	}
	return strings.Join(items, ",")
}

// run counts the days from the nth of a week, Monday being 0, that are in the
// set without a gap.
func (w weekdays) run(n int) int {
	days := 0
	for n+days < 7 && w.has(weekday(n+days)) {
		days++
	}
	return days
}

func weekday(n int) time.Weekday { return time.Weekday((n + 1) % 7) }

func short(n int) string { return weekday(n).String()[:3] }
