// SPDX-License-Identifier: LGPL-2.1-or-later

package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/clipos/updater/policy"
)

var started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func schedule(machine int) policy.Schedule {
	return policy.Schedule{Interval: 24 * time.Hour, FirstCheck: 5 * time.Minute, MachineID: fmt.Sprintf("%032x", machine)}
}

// machines are enough for both ends of the shift.
const machines = 2000

func TestNextShiftsWithinATenth(t *testing.T) {
	const day = 24 * time.Hour
	lastCheck := started.Add(time.Hour)
	least, most, first := 2*day, time.Duration(0), time.Duration(0)
	for m := range machines {
		wait := schedule(m).Next(lastCheck.Add(time.Minute), started, lastCheck, 0).Sub(lastCheck)
		least, most = min(least, wait), max(most, wait)
		delay := schedule(m).Next(started, started, time.Time{}, 0).Sub(started)
		if delay < 5*time.Minute || delay > 5*time.Minute+30*time.Second {
			t.Fatalf("first check of machine %d after %s", m, delay)
		}
		first = max(first, delay)
	}
	if least < day-day/10 || most > day+day/10 {
		t.Errorf("checks are %s to %s apart", least, most)
	}
	// And the tenth is made use of.
	if least > day-day/11 || most < day+day/11 || first < 5*time.Minute+27*time.Second {
		t.Errorf("checks are only %s to %s apart, the first at most after %s", least, most, first)
	}
}

func TestNextIsAlwaysTheSame(t *testing.T) {
	lastCheck := started.Add(time.Hour)
	for m := range 10 {
		want := schedule(m).Next(lastCheck, started, lastCheck, 0)
		for i := range 10 {
			now := lastCheck.Add(time.Duration(i) * time.Hour)
			if got := schedule(m).Next(now, started, lastCheck, 0); !got.Equal(want) {
				t.Errorf("machine %d: %s, then %s", m, want, got)
			}
		}
	}
	if a, b := schedule(1).Next(lastCheck, started, lastCheck, 0), schedule(2).Next(lastCheck, started, lastCheck, 0); a.Equal(b) {
		t.Errorf("two machines ask at %s", a)
	}
}

func TestNext(t *testing.T) {
	s := schedule(7)
	firstCheck := s.Next(started, started, time.Time{}, 0)
	interval := s.Next(started, time.Time{}, started, 0).Sub(started)
	for name, c := range map[string]struct {
		now, lastCheck time.Time
		failures       int
		want           time.Time
	}{
		"never checked":                  {started, time.Time{}, 0, firstCheck},
		"never checked, but failed":      {started, time.Time{}, 3, firstCheck},
		"long ago":                       {started, started.Add(-1000 * time.Hour), 0, firstCheck},
		"just before the start":          {started, started.Add(-time.Hour), 0, started.Add(-time.Hour).Add(interval)},
		"due between start and first":    {started, started.Add(time.Minute - interval), 0, firstCheck},
		"after the start":                {started.Add(2 * time.Hour), started.Add(time.Hour), 0, started.Add(time.Hour).Add(interval)},
		"last check right now":           {started.Add(time.Hour), started.Add(time.Hour), 0, started.Add(time.Hour).Add(interval)},
		"last check in the future":       {started.Add(time.Hour), started.Add(2 * time.Hour), 0, firstCheck},
		"last check in the far future":   {started, started.AddDate(100, 0, 0), 0, firstCheck},
		"the same, and failed":           {started, started.AddDate(100, 0, 0), 5, firstCheck},
		"clock at the epoch":             {time.Unix(100, 0), started, 0, firstCheck},
		"failed before the start":        {started, started.Add(-time.Hour), 1, firstCheck},
		"a count that was never written": {started.Add(2 * time.Hour), started.Add(time.Hour), -1, started.Add(time.Hour).Add(interval)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.Next(c.now, started, c.lastCheck, c.failures); !got.Equal(c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestNextBacksOff(t *testing.T) {
	lastCheck := started.Add(time.Hour)
	for m := range 100 {
		s := schedule(m)
		wait := func(failures int) time.Duration {
			return s.Next(lastCheck, started, lastCheck, failures).Sub(lastCheck)
		}
		base := 5 * time.Minute
		for failures := 1; failures <= 9; failures++ {
			if got := wait(failures); got > wait(0) || got < min(wait(0), base-base/10) || got > base+base/10 {
				t.Fatalf("machine %d: after %d failures %s", m, failures, got)
			}
			base *= 2
		}
		// Five minutes, nine times doubled, is more than a day; and no number
		// of failures overflows.
		for _, failures := range []int{10, 17, 18, 63, 64, 65, 1 << 40} {
			if got := wait(failures); got != wait(0) {
				t.Fatalf("machine %d: after %d failures %s, want %s", m, failures, got, wait(0))
			}
		}
	}
}

// A short interval is not made longer by failures.
func TestNextShortInterval(t *testing.T) {
	s := schedule(3)
	s.Interval = time.Minute
	lastCheck := started.Add(time.Hour)
	for failures := range 5 {
		if got := s.Next(lastCheck, started, lastCheck, failures).Sub(lastCheck); got < 54*time.Second || got > 66*time.Second {
			t.Errorf("after %d failures %s", failures, got)
		}
	}
}

// Long intervals do not overflow.
func TestNextLongInterval(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	for m := range 100 {
		s := schedule(m)
		s.Interval, s.FirstCheck = years, years
		if got := s.Next(started, started, started, 0).Sub(started); got < years || got > years+years/10 {
			t.Errorf("machine %d: %s", m, got)
		}
	}
}

func TestRetryAt(t *testing.T) {
	for m := range 100 {
		s := schedule(m)
		if got := s.RetryAt(started, 0); !got.IsZero() {
			t.Fatalf("machine %d: nothing failed, retried at %s", m, got)
		}
		if got := s.RetryAt(time.Time{}, 1); !got.IsZero() {
			t.Fatalf("machine %d: never failed, retried at %s", m, got)
		}
		interval := s.Next(started, time.Time{}, started, 0)
		base := 5 * time.Minute
		for failures := 1; failures <= 9; failures++ {
			got := s.RetryAt(started, failures)
			if least, most := started.Add(base-base/10), started.Add(base+base/10); got.After(interval) || got.Before(least) && got.Before(interval) || got.After(most) {
				t.Fatalf("machine %d: after %d failures %s", m, failures, got)
			}
			base *= 2
		}
		for _, failures := range []int{10, 64, 1 << 40} {
			if got := s.RetryAt(started, failures); !got.Equal(interval) {
				t.Fatalf("machine %d: after %d failures %s, want %s", m, failures, got, interval)
			}
		}
	}
}
