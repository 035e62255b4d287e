// SPDX-License-Identifier: LGPL-2.1-or-later

package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// maxWindowBytes is more than all weekdays and the longest zone need.
	maxWindowBytes = 200
	windowForm     = "[WEEKDAYS] HH:MM-HH:MM [ZONE]"
)

var (
	timesForm = regexp.MustCompile(`^([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$`)
	// zoneForm keeps names inside the folder of zones. The longest there are
	// have 32 bytes.
	zoneForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
)

// ParseWindow reads a window: weekdays as in calendar events (systemd.time(7))
// and none for every day, begin and end, and a time zone of the system's
// database or UTC, none for that of the clock. An end that is not after the
// begin is on the next day.
func ParseWindow(s string) (Window, error) {
	if len(s) > maxWindowBytes {
		return Window{}, fmt.Errorf("%.40q… is longer than %d bytes", s, maxWindowBytes)
	}
	words := strings.Fields(s)
	// The times are the first word or, after weekdays, the second.
	at := 0
	if len(words) > 1 && strings.IndexByte("0123456789", words[0][0]) < 0 {
		at = 1
	}
	if len(words) == 0 || len(words) > at+2 {
		return Window{}, fmt.Errorf("%.80q is not of the form %s", s, windowForm)
	}
	w := Window{days: everyDay}
	var err error
	if at == 1 {
		w.days, err = parseWeekdays(words[0])
	}
	if err == nil {
		w.begin, w.end, err = parseTimes(words[at])
	}
	if err == nil && len(words) == at+2 {
		w.zone, err = parseZone(words[at+1])
	}
	if err != nil {
		return Window{}, fmt.Errorf("%.80q: %w", s, err)
	}
	return w, nil
}

// parseTimes returns minutes from the beginning of the day, begin < end.
func parseTimes(s string) (begin, end int, err error) {
	form := timesForm.FindStringSubmatch(s)
	if form == nil {
		return 0, 0, fmt.Errorf("%.40q is not a begin and an end like 22:00-06:00", s)
	}
	begin, beginOK := minuteOfDay(form[1], form[2])
	end, endOK := minuteOfDay(form[3], form[4])
	switch {
	case !beginOK || begin == minutesPerDay:
		return 0, 0, fmt.Errorf("a window cannot begin at %s:%s", form[1], form[2])
	case !endOK:
		return 0, 0, fmt.Errorf("a window cannot end at %s:%s", form[3], form[4])
	case begin == end:
		return 0, 0, errors.New("begin and end are the same; a whole day is 00:00-24:00")
	case end < begin:
		end += minutesPerDay
	}
	return begin, end, nil
}

// minuteOfDay takes digits only, up to 24:00.
func minuteOfDay(hours, minutes string) (int, bool) {
	h, _ := strconv.Atoi(hours)
	m, _ := strconv.Atoi(minutes)
	return h*60 + m, m < 60 && h*60+m <= minutesPerDay
}

func parseZone(name string) (*time.Location, error) {
	// The library takes "Local" for what no name means already.
	if !zoneForm.MatchString(name) || name == "Local" {
		return nil, fmt.Errorf("unknown time zone %.40q", name)
	}
	return time.LoadLocation(name)
}
