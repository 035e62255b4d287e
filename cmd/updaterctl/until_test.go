// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestUntil(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// The day before the clocks go forward.
	now := time.Date(2026, 3, 28, 12, 0, 0, 0, berlin)
	for s, want := range map[string]string{
		"2026-12-01T08:00:00Z":      "2026-12-01 08:00:00",
		"2026-12-01T08:00:00+01:00": "2026-12-01 07:00:00",
		"2026-12-01 08:00":          "2026-12-01 07:00:00",
		"2026-12-01 08:00:30":       "2026-12-01 07:00:30",
		"2026-12-01":                "2026-11-30 23:00:00",
		"2026-07-01 08:00":          "2026-07-01 06:00:00",
		"12h":                       "2026-03-28 23:00:00",
		"90m":                       "2026-03-28 12:30:00",
		"1d":                        "2026-03-29 10:00:00",
		"1w":                        "2026-04-04 10:00:00",
		"1w2d3h4m":                  "2026-04-06 13:04:00",
	} {
		got, err := parseUntil(s, now)
		if err != nil || got.UTC().Format(time.DateTime) != want {
			t.Errorf("%s: %v %v, want %s", s, got.UTC(), err, want)
		}
	}
	for _, s := range []string{"2026-03-28 12:00", "2026-03-28T10:59:59Z", "2026-03-28", "0h", "0d"} {
		if got, err := parseUntil(s, now); !errors.Is(err, errPast) {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "3", "d", "3 d", "-3d", "3d-1h", "1d1w", "3h2d", "soon", "08:00", "2026-13-01", "99999d", "1e3h", "1.5h",
		strings.Repeat("999999h", 10),
	} {
		if got, err := parseUntil(s, now); err == nil || errors.Is(err, errPast) {
			t.Errorf("%q: %v %v", s, got, err)
		}
	}
}
