// SPDX-License-Identifier: LGPL-2.1-or-later

package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/policy"
)

// zone is one of the system's time zones.
func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("%v: Debian package tzdata", err)
	}
	return loc
}

// at reads RFC 3339, whose offset tells the two passages of an hour apart, as
// a time of a zone.
func at(t testing.TB, text string, loc *time.Location) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when.In(loc)
}

func window(t testing.TB, text string) policy.Window {
	t.Helper()
	w, err := policy.ParseWindow(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// acceptedWindows and how each is written back.
var acceptedWindows = map[string]string{
	"Mon..Fri 22:00-06:00":                             "Mon..Fri 22:00-06:00",
	"Sat,Sun 00:00-24:00":                              "Sat,Sun 00:00-24:00",
	"02:00-04:30 Europe/Paris":                         "02:00-04:30 Europe/Paris",
	"Mon,Wed..Fri 12:00-13:00 UTC":                     "Mon,Wed..Fri 12:00-13:00 UTC",
	"monday,WEDNESDAY 12:00-13:00":                     "Mon,Wed 12:00-13:00",
	"Fri..Mon 12:00-13:00":                             "Mon,Fri..Sun 12:00-13:00",
	"Fri..Thu 12:00-13:00":                             "12:00-13:00",
	"Mon..Mon 12:00-13:00":                             "Mon 12:00-13:00",
	"Sun,Sun,Sat..Sunday 12:00-13:00":                  "Sat,Sun 12:00-13:00",
	"Mon,Tue,Wed 12:00-13:00":                          "Mon..Wed 12:00-13:00",
	"00:00-24:00":                                      "00:00-24:00",
	"22:00-24:00":                                      "22:00-24:00",
	"22:00-00:00":                                      "22:00-24:00",
	"23:59-00:01":                                      "23:59-00:01",
	"23:59-23:58":                                      "23:59-23:58",
	"  Sat \t 01:00-02:00   Etc/GMT+5  ":               "Sat 01:00-02:00 Etc/GMT+5",
	"Sun 01:00-02:00 America/Argentina/ComodRivadavia": "Sun 01:00-02:00 America/Argentina/ComodRivadavia",
}

func TestParseWindow(t *testing.T) {
	for text, want := range acceptedWindows {
		t.Run(text, func(t *testing.T) {
			w, err := policy.ParseWindow(text)
			if err != nil || w.String() != want {
				t.Errorf("%q, %v, want %q", w, err, want)
			}
		})
	}
}

// refusedWindows and what the error says.
var refusedWindows = map[string]string{
	"":                                "form [WEEKDAYS] HH:MM-HH:MM [ZONE]",
	"   ":                             "form [WEEKDAYS] HH:MM-HH:MM [ZONE]",
	"Mon":                             `"Mon" is not a begin and an end`,
	"Mon..Fri":                        `"Mon..Fri" is not a begin and an end`,
	"Mon UTC":                         `"UTC" is not a begin and an end`,
	"UTC 01:00-02:00":                 `"UTC" is not a weekday`,
	"Mon 01:00-02:00 UTC UTC":         "form",
	"01:00-02:00 UTC UTC":             "form",
	"Mon, Tue 01:00-02:00":            `"" is not a weekday`,
	",Mon 01:00-02:00":                `"" is not a weekday`,
	"Mon...Tue 01:00-02:00":           `".Tue" is not a weekday`,
	"Mon..Tue..Wed 01:00-02:00":       `"Tue..Wed" is not a weekday`,
	"Mon.. 01:00-02:00":               `"" is not a weekday`,
	"Mon-Fri 01:00-02:00":             `"Mon-Fri" is not a weekday`,
	"Lun 01:00-02:00":                 `"Lun" is not a weekday`,
	"Mond 01:00-02:00":                `"Mond" is not a weekday`,
	"01:00":                           "is not a begin and an end",
	"1:00-2:00 UTC":                   `"1:00-2:00" is not a begin and an end`,
	"01:00..02:00":                    "is not a begin and an end",
	"01:00:00-02:00:00":               "is not a begin and an end",
	"+1:00-02:00":                     "is not a begin and an end",
	"01:00 - 02:00":                   "form",
	"01:60-02:00":                     "cannot begin at 01:60",
	"01:00-02:60":                     "cannot end at 02:60",
	"24:00-02:00":                     "cannot begin at 24:00",
	"23:00-24:01":                     "cannot end at 24:01",
	"23:00-99:99":                     "cannot end at 99:99",
	"02:00-02:00":                     "begin and end are the same; a whole day is 00:00-24:00",
	"00:00-00:00":                     "begin and end are the same",
	"01:00-02:00 Europe/Atlantis":     "unknown time zone Europe/Atlantis",
	"01:00-02:00 Europe":              "Europe",
	"01:00-02:00 zone.tab":            "unknown time zone",
	"01:00-02:00 Local":               "unknown time zone",
	"01:00-02:00 ../../../etc/passwd": "unknown time zone",
	"01:00-02:00 /etc/localtime":      "unknown time zone",
	"01:00-02:00 Europe//Paris":       "unknown time zone",
	"01:00-02:00 +02:00":              "unknown time zone",
	"\x1b[31m 01:00-02:00":            `"\x1b[31m" is not a weekday`,
	strings.Repeat("Mon,", 50) + "Mon 01:00-02:00": "longer than 200 bytes",
}

func TestParseWindowRefuses(t *testing.T) {
	for text, why := range refusedWindows {
		t.Run(text, func(t *testing.T) {
			w, err := policy.ParseWindow(text)
			if err == nil || w != (policy.Window{}) {
				t.Fatalf("%q, %v", w, err)
			}
			if !strings.Contains(err.Error(), why) || len(err.Error()) > 400 || strings.ContainsRune(err.Error(), '\x1b') {
				t.Errorf("%v, want %q in it", err, why)
			}
		})
	}
}

func TestWindow(t *testing.T) {
	const paris = "Europe/Paris"
	for name, c := range map[string]struct {
		window, zone, now string
		inside            bool
		next              string
	}{
		"before":                   {"Mon..Fri 22:00-06:00", paris, "2026-11-27T21:59:59+01:00", false, "2026-11-27T22:00:00+01:00"},
		"at the begin":             {"Mon..Fri 22:00-06:00", paris, "2026-11-27T22:00:00+01:00", true, "2026-11-27T22:00:00+01:00"},
		"over midnight, on Sat":    {"Mon..Fri 22:00-06:00", paris, "2026-11-28T05:59:59+01:00", true, "2026-11-30T22:00:00+01:00"},
		"at the end":               {"Mon..Fri 22:00-06:00", paris, "2026-11-28T06:00:00+01:00", false, "2026-11-30T22:00:00+01:00"},
		"Mon morning is Sun's":     {"Mon..Fri 22:00-06:00", paris, "2026-11-30T01:00:00+01:00", false, "2026-11-30T22:00:00+01:00"},
		"whole days":               {"Sat,Sun 00:00-24:00", paris, "2026-11-29T23:59:59+01:00", true, "2026-12-05T00:00:00+01:00"},
		"after whole days":         {"Sat,Sun 00:00-24:00", paris, "2026-11-30T00:00:00+01:00", false, "2026-12-05T00:00:00+01:00"},
		"nearly a day, yesterday":  {"Tue 23:59-23:58", paris, "2026-12-02T23:57:59+01:00", true, "2026-12-08T23:59:00+01:00"},
		"another zone, its day":    {"Mon 02:00-04:00 Asia/Tokyo", paris, "2026-11-29T18:30:00+01:00", true, "2026-12-06T18:00:00+01:00"},
		"the clock's own zone":     {"Mon 02:00-04:00", "Asia/Tokyo", "2026-11-29T17:00:00Z", true, "2026-11-29T17:00:00Z"},
		"spring, before the gap":   {"02:30-04:00", paris, "2026-03-29T01:59:59+01:00", false, "2026-03-29T03:00:00+02:00"},
		"spring, begin in the gap": {"02:30-04:00", paris, "2026-03-29T03:00:00+02:00", true, "2026-03-29T03:00:00+02:00"},
		"spring, over":             {"02:30-04:00", paris, "2026-03-29T04:00:00+02:00", false, "2026-03-30T02:30:00+02:00"},
		"spring, end in the gap":   {"01:00-02:30", paris, "2026-03-29T01:59:59+01:00", true, "2026-03-30T01:00:00+02:00"},
		"spring, ended in the gap": {"01:00-02:30", paris, "2026-03-29T03:00:00+02:00", false, "2026-03-30T01:00:00+02:00"},
		"spring, wholly in it":     {"Sun 02:10-02:50", paris, "2026-03-29T00:00:00+01:00", false, "2026-04-05T02:10:00+02:00"},
		"spring, at the gap":       {"Sun 02:10-02:50", paris, "2026-03-29T03:00:00+02:00", false, "2026-04-05T02:10:00+02:00"},
		"autumn, first passage":    {"02:30-04:00", paris, "2026-10-25T02:30:00+02:00", true, "2026-10-25T02:30:00+02:00"},
		"autumn, goes on":          {"02:30-04:00", paris, "2026-10-25T02:00:00+01:00", true, "2026-10-26T02:30:00+01:00"},
		"autumn, until the end":    {"02:30-04:00", paris, "2026-10-25T03:59:59+01:00", true, "2026-10-26T02:30:00+01:00"},
		"autumn, still over":       {"02:10-02:30", paris, "2026-10-25T02:10:00+01:00", false, "2026-10-26T02:10:00+01:00"},
		"autumn, two hours":        {"02:00-03:00", paris, "2026-10-25T02:59:59+01:00", true, "2026-10-26T02:00:00+01:00"},
		"midnight left out":        {"Sun 00:00-02:00", "America/Sao_Paulo", "2018-11-04T01:00:00-02:00", true, "2018-11-04T01:00:00-02:00"},
		"midnight twice":           {"Sun 00:00-02:00", "America/St_Johns", "2010-11-06T23:30:00-03:30", true, "2010-11-14T00:00:00-03:30"},
		"a begin left out":         {"Fri 22:00-06:00", "Pacific/Apia", "2011-12-31T00:00:00+14:00", true, "2011-12-31T00:00:00+14:00"},
		"a day left out":           {"Fri 00:00-24:00", "Pacific/Apia", "2011-12-29T23:59:59-10:00", false, "2012-01-06T00:00:00+14:00"},
	} {
		t.Run(name, func(t *testing.T) {
			loc := zone(t, c.zone)
			w, now := window(t, c.window), at(t, c.now, loc)
			if got := w.Contains(now); got != c.inside {
				t.Errorf("contains: %v", got)
			}
			if got, want := w.Next(now), at(t, c.next, loc); !got.Equal(want) || got.Location() != loc {
				t.Errorf("next %s, want %s", got, want)
			}
		})
	}
}

func TestZeroWindow(t *testing.T) {
	var w policy.Window
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	if w.Contains(now) || !w.Next(now).IsZero() {
		t.Error("the zero window opens")
	}
}

// simple is a window as the tests' own model has it.
type simple struct {
	days       [7]bool
	begin, end int // minutes; end <= begin: on the next day
}

// contains goes by what a clock has shown at most until now.
func (s simple) contains(shown time.Time) bool {
	minute := shown.Hour()*60 + shown.Minute()
	today, yesterday := s.days[shown.Weekday()], s.days[(shown.Weekday()+6)%7]
	if s.begin < s.end {
		return today && s.begin <= minute && minute < s.end
	}
	return today && minute >= s.begin || yesterday && minute < s.end
}

// clock reads t on a wall and gives the reading as a time of UTC.
func clock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}

// The weeks around every kind of change, minute by minute: Contains agrees
// with a clock that never goes back, and Next with Contains.
func TestWindowMinuteByMinute(t *testing.T) {
	windows := map[string]simple{
		"Sun 02:00-03:00":      {[7]bool{0: true}, 120, 180},
		"Sun 02:15-02:45":      {[7]bool{0: true}, 135, 165},
		"02:30-04:00":          {[7]bool{true, true, true, true, true, true, true}, 150, 240},
		"Fri..Mon 00:00-24:00": {[7]bool{0: true, 1: true, 5: true, 6: true}, 0, 1440},
		"Sat 23:30-02:30":      {[7]bool{6: true}, 1410, 150},
		"Sun 00:00-00:30":      {[7]bool{0: true}, 0, 30},
		"Thu..Sun 12:00-11:59": {[7]bool{0: true, 4: true, 5: true, 6: true}, 720, 719},
	}
	for zoneName, from := range map[string]string{
		"UTC":                 "2026-03-01T00:00:00Z",
		"Asia/Kathmandu":      "2026-03-01T00:00:00Z",
		"Europe/Paris":        "2026-03-20T00:00:00Z",
		"Europe/Berlin":       "2026-10-18T00:00:00Z",
		"Australia/Lord_Howe": "2026-03-30T00:00:00Z",
		"America/Sao_Paulo":   "2018-10-28T00:00:00Z",
		"America/Havana":      "2026-10-26T00:00:00Z",
		"America/St_Johns":    "2010-11-01T00:00:00Z",
		"Pacific/Apia":        "2011-12-24T00:00:00Z",
	} {
		for text, model := range windows {
			t.Run(zoneName+" "+text, func(t *testing.T) {
				t.Parallel()
				walk(t, window(t, text), model, at(t, from, zone(t, zoneName)))
			})
		}
	}
}

func walk(t *testing.T, w policy.Window, model simple, from time.Time) {
	t.Helper()
	const minutes = 15 * 24 * 60
	shown := clock(from)
	inside, next := w.Contains(from), w.Next(from)
	for n := range minutes {
		now := from.Add(time.Duration(n) * time.Minute)
		if reading := clock(now); reading.After(shown) {
			shown = reading
		}
		was := inside
		if inside = w.Contains(now); inside != model.contains(shown) {
			t.Fatalf("%s: contains %v, the clock has shown %s", now, inside, shown)
		}
		if inside && !was && !next.Equal(now) {
			t.Fatalf("%s: opens, but the next was %s", now, next)
		}
		if next.Before(now) {
			next = w.Next(now)
		}
		if next.Before(now) || next.Equal(now) && !inside {
			t.Fatalf("%s: next is %s", now, next)
		}
	}
}

func FuzzParseWindow(f *testing.F) {
	for text := range acceptedWindows {
		f.Add(text, int64(1774746000))
	}
	for text := range refusedWindows {
		f.Add(text, int64(0))
	}
	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		w, err := policy.ParseWindow(text)
		if (err != nil) != (w == policy.Window{}) {
			t.Fatalf("%q and %v", w, err)
		}
		if err != nil {
			return
		}
		again, err := policy.ParseWindow(w.String())
		if err != nil || again.String() != w.String() {
			t.Fatalf("%q became %q, %v", w, again, err)
		}
		// Any second of some centuries.
		now := time.Unix(seconds%(1<<33), 0).UTC()
		next := w.Next(now)
		if next.Before(now) || !w.Contains(next) || w.Contains(now) != again.Contains(now) {
			t.Errorf("%q at %s: next %s", w, now, next)
		}
	})
}
