// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e)
		for i, wait := range []time.Duration{10 * time.Minute, time.Hour} {
			m.wantNext(wait)
			pass(m.untilNext() - time.Second)
			m.wantChecks(i)
			pass(time.Second)
			m.wantChecks(i + 1)
		}

		e.serve(answers(updater.ErrNetworkUnavailable))
		pass(m.untilNext())
		m.wantChecks(3)
		for i, minutes := range []int{5, 10, 20, 40, 60, 60} {
			m.wantState(updater.StateFailed)
			m.wantNext(time.Duration(minutes) * time.Minute)
			pass(m.untilNext())
			m.wantChecks(4 + i)
		}
		e.serve(answers(nil))
		pass(m.untilNext())
		m.wantState(updater.StateIdle)
		m.wantNext(time.Hour)
	})
}

func TestFirstCheck(t *testing.T) {
	tests := []struct {
		name   string
		last   time.Duration // ago
		failed int
		want   time.Duration
	}{
		{"long ago", 24 * time.Hour, 0, 10 * time.Minute},
		{"soon due", 55 * time.Minute, 0, 10 * time.Minute},
		{"not long ago", 20 * time.Minute, 0, 40 * time.Minute},
		{"failed not long ago", 20 * time.Minute, 4, 20 * time.Minute},
		{"by a clock that was wrong", -24 * time.Hour, 0, 10 * time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.record.LastCheck, e.record.FailedChecks = time.Now().Round(0).Add(-test.last), test.failed
				m := boot(t, e)
				// A tenth of the interval, whatever of it is left.
				got := m.untilNext()
				if (got - test.want).Abs() > 6*time.Minute {
					t.Errorf("the first check is in %s, want %s", got, test.want)
				}
				pass(got - time.Second)
				m.wantChecks(0)
				pass(time.Second)
				m.wantChecks(1)
				m.wantNext(time.Hour)
			})
		})
	}
}

// TestClockJumps: the wall clock is set, or goes on while the machine sleeps.
func TestClockJumps(t *testing.T) {
	tests := []struct {
		name  string
		jump  time.Duration
		check bool // within a minute
	}{
		{"slept until it was due", 70 * time.Minute, true},
		{"slept for a week", 7 * 24 * time.Hour, true},
		{"slept not long enough", 10 * time.Minute, false},
		// The last check lies in the future then, which is as good as never.
		{"set back", -24 * time.Hour, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				m := boot(t, e)
				pass(m.untilNext())
				m.wantChecks(1)
				left := m.untilNext()
				m.set(test.jump)
				pass(clockInterval)
				if test.check {
					m.wantChecks(2)
					m.wantNext(time.Hour)
				} else {
					m.wantChecks(1)
					m.wantNext(left - test.jump - clockInterval)
				}
			})
		})
	}
}

// TestClockSetBackBeforeTheFirst check: how long the daemon runs does not
// depend on it.
func TestClockSetBackBeforeTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, newEngine(t))
		left := m.untilNext()
		m.set(-20 * 365 * 24 * time.Hour)
		pass(clockInterval)
		m.wantNext(left - clockInterval)
		pass(left - clockInterval - time.Second)
		m.wantChecks(0)
		pass(time.Second)
		m.wantChecks(1)
	})
}

// TestNextCheckIsPublished when the clock was set, and only then.
func TestNextCheckIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, newEngine(t))
		before := m.heard.published()
		m.set(time.Second / 2) // as clocks are kept right
		pass(5 * time.Minute)
		if n := m.heard.published() - before; n != 0 {
			t.Errorf("published %d times while nothing happened", n)
		}
		m.set(time.Hour)
		pass(2 * clockInterval)
		if n := m.heard.published() - before; n != 1 {
			t.Errorf("published %d times after the clock was set, want once", n)
		}
	})
}

// TestFullDisk: what was checked cannot be recorded. The server is not asked
// without end for it.
func TestFullDisk(t *testing.T) {
	for name, answer := range map[string]error{"answers": nil, "fails": updater.ErrServer} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.record.LastCheck = time.Now().Add(-30 * 24 * time.Hour)
				e.unwritable, e.onCheck = errFull, answers(answer)
				boot(t, e)
				pass(5 * time.Hour)
				if n := e.count("check"); n < 4 || n > 6 {
					t.Errorf("the server was asked %d times in five hours", n)
				}
			})
		})
	}
}

// TestDueWhileUpdating waits for the update's end.
func TestDueWhileUpdating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.holdAt[updater.StageFetching] = make(chan struct{})
		m := boot(t, e)
		m.update(newer)
		pass(3 * time.Hour)
		m.wantChecks(0)
		close(e.holdAt[updater.StageFetching])
		synctest.Wait()
		m.wantChecks(1)
		m.wantNext(time.Hour)
	})
}

func TestInstallByItself(t *testing.T) {
	tests := []struct {
		name    string
		mode    policy.Mode
		byHand  bool
		answer  func(context.Context) (updater.Check, error)
		updates int
	}{
		{"by schedule, mode install", policy.ModeInstall, false, offer(newer), 1},
		{"by schedule, mode check", policy.ModeCheck, false, offer(newer), 0},
		{"by hand, mode install", policy.ModeInstall, true, offer(newer), 0},
		{"by hand, mode check", policy.ModeCheck, true, offer(newer), 0},
		{"nothing new", policy.ModeInstall, false, answers(nil), 0},
		{"no network", policy.ModeInstall, false, answers(updater.ErrNetworkUnavailable), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.serve(test.answer)
				m := boot(t, e, func(o *Options) { o.Rules = rules(test.mode) })
				if test.byHand {
					m.Check(t.Context())
					synctest.Wait()
				} else {
					pass(m.untilNext())
				}
				m.wantChecks(1)
				if got := e.count("update " + newer); got != test.updates || len(m.heard.completed) != test.updates {
					t.Errorf("%d updates, %d told, want %d", got, len(m.heard.completed), test.updates)
				}
			})
		})
	}
}

// TestLookingDoesNotPutOff the check by schedule and the update it brings.
func TestLookingDoesNotPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e, func(o *Options) { o.Rules = rules(policy.ModeInstall) })
		pass(30 * time.Minute)
		m.wantChecks(1)
		e.serve(offer(newer))
		for range 6 {
			pass(10 * time.Minute)
			if _, err := m.Check(t.Context()); err != nil && !errors.Is(err, updater.ErrBusy) {
				t.Error(err)
			}
		}
		synctest.Wait()
		if e.count("update "+newer) == 0 {
			t.Error("whoever looks every ten minutes is never updated")
		}
	})
}

// TestHandFailurePutsOff: also a failure that a caller saw counts for how soon
// the server is asked again.
func TestHandFailurePutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e)
		pass(20 * time.Minute)
		e.serve(answers(updater.ErrServer))
		m.Check(t.Context())
		synctest.Wait()
		m.wantNext(5 * time.Minute)
	})
}

// TestInstallThatCannotBegin: nobody is there who could be told but by state.
func TestInstallThatCannotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.onCheck, e.unwritable = offer(newer), errFull
		m := boot(t, e, func(o *Options) { o.Rules = rules(policy.ModeInstall) })
		pass(20 * time.Minute)
		m.wantState(updater.StateFailed)
		wantError(t, m.Overview().LastError, errFull)
		if e.count("update "+newer) != 0 || len(m.heard.completed) != 0 {
			t.Error("an update began that could not be recorded")
		}
	})
}

func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(answers(updater.ErrNetworkUnavailable))
		m := boot(t, e, func(o *Options) { o.Rules.Interval = 1000 * time.Hour; o.Rules.FirstCheck = 900 * time.Hour })
		pass(24 * time.Hour)
		if m.Overview().Stale {
			t.Error("stale after a day")
		}
		pass(2 * clockInterval)
		if !m.Overview().Stale {
			t.Error("not stale after more than a day without an answer")
		}
		e.serve(answers(nil))
		if _, err := m.Check(t.Context()); err != nil || m.Overview().Stale {
			t.Errorf("%v, stale %t after an answer", err, m.Overview().Stale)
		}
		m.set(25 * time.Hour)
		pass(clockInterval)
		if !m.Overview().Stale {
			t.Error("not stale after a day of sleep")
		}
	})
}
