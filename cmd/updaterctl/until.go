// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

var errPast = errors.New("is in the past")

// timeForms are the times that --until takes besides a time from now, those
// without a zone in local time.
var timeForms = []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02 15:04:05", time.DateOnly}

// fromNow is weeks and days, which time.ParseDuration does not know, and the
// rest. There are no more digits than make sense.
var fromNow = regexp.MustCompile(`^(?:(\d{1,3})w)?(?:(\d{1,4})d)?((?:\d{1,6}[hm])*)$`)

// parseUntil is the time that s means at the moment now.
func parseUntil(s string, now time.Time) (time.Time, error) {
	until, err := parseTime(s, now)
	if err == nil && !until.After(now) {
		err = errPast
	}
	return until, err
}

func parseTime(s string, now time.Time) (time.Time, error) {
	if m := fromNow.FindStringSubmatch(s); m != nil && s != "" {
		return later(now, m[1], m[2], m[3])
	}
	for _, form := range timeForms {
		if t, err := time.ParseInLocation(form, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New(`not a time like 2026-12-01T08:00:00Z, "2026-12-01 08:00", 3d or 12h`)
}

// later is now and so many weeks, days, and hours and minutes; "" is none of
// them. A day later is the same time of the day, whatever the clocks do.
func later(now time.Time, weeks, days, rest string) (time.Time, error) {
	count := func(s string) int {
		n, _ := strconv.Atoi(s) // a few digits, or nothing
		return n
	}
	if rest == "" {
		rest = "0s"
	}
	short, err := time.ParseDuration(rest)
	if err != nil {
		return time.Time{}, fmt.Errorf("%.40q is not a duration", rest)
	}
	return now.AddDate(0, 0, 7*count(weeks)+count(days)).Add(short), nil
}
