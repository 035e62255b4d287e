// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/updater"
)

// TestBootIsConfirmed once it is complete, by what is on the disk then: at
// start the running entry still had its boot counter.
func TestBootIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.installed[0].TriesLeft = 2
		var complete atomic.Bool
		boot(t, e, func(o *Options) {
			o.BootComplete = func(context.Context) (bool, error) { return complete.Load(), nil }
		})
		pass(10 * time.Minute)
		if e.count("good") != 0 {
			t.Error("confirmed before the boot was complete")
		}
		e.set(func() { e.installed[0].TriesLeft = -1 })
		complete.Store(true)
		pass(bootPollInterval)
		if got := e.Record().HighestGood; got != running {
			t.Errorf("highest good version %q, want %q", got, running)
		}
		pass(time.Hour)
		if n := e.count("good"); n != 1 {
			t.Errorf("confirmed %d times", n)
		}
	})
}

func TestBootIsConfirmedLater(t *testing.T) {
	tests := map[string]func(e *fakeEngine, o *Options, broken *atomic.Bool){
		"systemd does not answer": func(_ *fakeEngine, o *Options, broken *atomic.Bool) {
			o.BootComplete = func(context.Context) (bool, error) {
				if broken.Load() {
					return false, errors.New("no answer")
				}
				return true, nil
			}
		},
		"the disk is not in order": func(e *fakeEngine, _ *Options, _ *atomic.Bool) { e.readError = errDisk },
		"the disk is full":         func(e *fakeEngine, _ *Options, _ *atomic.Bool) { e.unwritable = errFull },
	}
	for name, breakIt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				var broken atomic.Bool
				broken.Store(true)
				boot(t, e, func(o *Options) { breakIt(e, o, &broken) })
				pass(5 * bootPollInterval)
				if got := e.Record().HighestGood; got != "" {
					t.Errorf("highest good version %q", got)
				}
				broken.Store(false)
				e.set(func() { e.readError, e.unwritable = nil, nil })
				pass(bootPollInterval)
				if got := e.Record().HighestGood; got != running {
					t.Errorf("highest good version %q, want %q", got, running)
				}
			})
		})
	}
}

// TestBootQueryHangs: the loop does not wait for systemd, and Run's end does
// not either.
func TestBootQueryHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e, func(o *Options) {
			o.BootComplete = func(ctx context.Context) (bool, error) {
				<-ctx.Done()
				return false, ctx.Err()
			}
		})
		wantError(t, m.heard.outcome(t, m.update(newer)), nil)
		m.wantState(updater.StateRebootRequired)
	})
}

// TestBootIsConfirmedAfterTheJob: what was read beside a job could be older
// than what the job has told.
func TestBootIsConfirmedAfterTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, fetching := newEngine(t), make(chan struct{})
		e.holdAt[updater.StageFetching] = fetching
		var complete atomic.Bool
		m := boot(t, e, func(o *Options) {
			o.BootComplete = func(context.Context) (bool, error) { return complete.Load(), nil }
		})
		m.update(newer)
		complete.Store(true)
		pass(10 * bootPollInterval)
		if e.count("good") != 0 {
			t.Error("confirmed beside an update")
		}
		close(fetching)
		synctest.Wait()
		if e.Record().HighestGood != running {
			t.Error("not confirmed")
		}
		m.wantState(updater.StateRebootRequired)
	})
}

// TestBlessedLate: the counter goes after the boot was complete. That is found
// out, seldom, and at the end of each job.
func TestBlessedLate(t *testing.T) {
	for name, test := range map[string]struct {
		after time.Duration
		job   bool
		wait  time.Duration
	}{
		"soon":       {time.Minute, false, 4 * bootPollInterval},
		"much later": {5 * time.Hour, false, bootPollLimit},
		"a check":    {time.Minute, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.installed[0].TriesLeft = 2
				m := boot(t, e)
				pass(test.after)
				if got, most := e.count("good"), int(test.after/bootPollLimit)+10; got > most || e.Record().HighestGood != "" {
					t.Errorf("looked %d times, want at most %d; highest good version %q", got, most, e.Record().HighestGood)
				}
				e.set(func() { e.installed[0].TriesLeft = -1 })
				if test.job {
					_, err := m.Check(t.Context())
					wantError(t, err, nil)
				}
				pass(test.wait)
				if got := e.Record().HighestGood; got != running {
					t.Errorf("highest good version %q, want %q", got, running)
				}
				before := e.count("good")
				pass(24 * time.Hour)
				if n := e.count("good") - before; n != 0 {
					t.Errorf("confirmed %d times more", n)
				}
			})
		})
	}
}
