// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// daily has the server asked once a day, so that what fails is mostly tried
// again in between.
func daily(t *testing.T) func(*Options) {
	t.Helper()
	return func(o *Options) {
		within(t, policy.ModeInstall)(o)
		o.Rules.Interval = 24 * time.Hour
	}
}

// TestRetry over three days, how often by what kind of error, also when
// nothing of it can be recorded. Waits for passing errors are 5, 10, 20 …
// minutes and in the end a day, each shifted by up to a tenth.
func TestRetry(t *testing.T) {
	tests := []struct {
		name        string
		err         error
		least, most int
	}{
		{"passing", updater.ErrNetworkUnavailable, 9, 12},
		{"will not pass", updater.ErrContentMismatch, 2, 4},
		{"cancelled", updater.ErrCancelled, 2, 4},
	}
	for _, test := range tests {
		for _, restarted := range []bool{false, true} {
			name := test.name
			if restarted {
				name += ", restarted every hour"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEngine(t)
					e.serve(offer(newer))
					e.failAt[updater.StageFetching] = test.err
					if restarted {
						for range 72 {
							m := newMachine(t, e, daily(t))
							m.start()
							pass(time.Hour)
							m.shutDown()
						}
					} else {
						boot(t, e, daily(t))
						pass(72 * time.Hour)
					}
					n := e.count("update " + newer)
					if n < test.least || n > test.most {
						t.Errorf("tried %d times in three days, want %d to %d", n, test.least, test.most)
					}
					if got := len(e.Record().History); got != n {
						t.Errorf("%d of %d attempts in the history", got, n)
					}
				})
			})
		}
	}
}

// TestRetryOnFullDisk: the record tells nobody when to try again.
func TestRetryOnFullDisk(t *testing.T) {
	for name, full := range map[string]func(*fakeEngine){
		"before it begins": func(e *fakeEngine) { e.unwritable = errFull },
		"by the update": func(e *fakeEngine) {
			e.failAt[updater.StageFetching] = updater.ErrContentMismatch
			e.holdAt[updater.StageChecking] = make(chan struct{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.serve(offer(newer))
				full(e)
				m := boot(t, e, daily(t))
				pass(20 * time.Minute)
				if hold := e.holdAt[updater.StageChecking]; hold != nil {
					e.set(func() { e.unwritable = errFull })
					close(hold)
					synctest.Wait()
				}
				m.heard.told()
				pass(10 * time.Hour)
				lines, _ := m.heard.told()
				wantLines(t, lines)
				m.wantBlockers(policy.BlockerRetryLater)
				e.set(func() { e.unwritable = nil; clear(e.failAt) })
				pass(24 * time.Hour)
				if m.wantState(updater.StateRebootRequired); e.Record().Unfinished != nil {
					t.Error("not struck off")
				}
				if got, want := len(e.Record().History), e.count("update "+newer); got != want {
					t.Errorf("%d of %d transactions in the history", got, want)
				}
			})
		})
	}
}

// TestRetrySucceeds: then nothing is left of the failures.
func TestRetrySucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		installedOnce(e)
		e.failAt[updater.StageFetching] = updater.ErrNetworkUnavailable
		m := boot(t, e, daily(t))
		pass(12 * time.Minute)
		m.wantBlockers(policy.BlockerRetryLater)
		m.wantUpdates(1)
		e.set(func() { clear(e.failAt) })
		pass(6 * time.Minute)
		m.wantResults(updater.ResultFailed, updater.ResultInstalled)
		m.wantBlockers()
		if r := e.Record(); r.FailedUpdates != 0 || !r.LastFailedUpdate.IsZero() {
			t.Errorf("still %d failures at %s", r.FailedUpdates, r.LastFailedUpdate)
		}
	})
}

// TestCancelledIsNotBegunAgain, whoever began it, as long as it is what the
// schedule wants.
func TestCancelledIsNotBegunAgain(t *testing.T) {
	for _, byHand := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := newEngine(t)
			e.serve(offer(newer))
			e.holdAt[updater.StageFetching] = make(chan struct{})
			m := boot(t, e, daily(t))
			if byHand {
				wantError(t, m.Hold(t.Context(), "an exam", time.Time{}), nil)
			}
			pass(20 * time.Minute)
			if byHand {
				m.update(newer)
				wantError(t, m.Unhold(t.Context()), nil)
			}
			m.wantState(updater.StateUpdating)
			wantError(t, m.Cancel(t.Context(), ""), nil)
			pass(10 * time.Hour)
			m.wantUpdates(1)
			m.wantBlockers(policy.BlockerRetryLater)
			m.wantState(updater.StateIdle)
			pass(18 * time.Hour)
			m.wantUpdates(2)
		})
	}
}

// TestStoppedIsNoFailure: a machine that is switched off every evening goes on
// every morning.
func TestStoppedIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		e.holdAt[updater.StageFetching] = make(chan struct{})
		for day := range 3 {
			m := newMachine(t, e, daily(t))
			m.start()
			pass(20 * time.Minute)
			m.wantUpdates(day + 1)
			m.wantBlockers()
			m.shutDown()
		}
		if n := e.Record().FailedUpdates; n != 0 {
			t.Errorf("%d failures", n)
		}
	})
}

// TestCrashes: an update that brings the daemon down each time is tried more
// and more seldom.
func TestCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		e.holdAt[updater.StageFetching] = make(chan struct{})
		for range 48 {
			m := newMachine(t, e, daily(t))
			m.start()
			pass(30 * time.Minute)
			unfinished := e.Record().Unfinished
			m.shutDown()
			e.set(func() { e.record.Unfinished = unfinished }) // as if it had not been shut down
		}
		if n := e.count("update " + newer); n < 5 || n > 10 {
			t.Errorf("tried %d times in a day", n)
		}
	})
}

// TestFailedByHand: what a person tried and saw fail is not begun by the
// schedule at once; another version's failure says nothing about the wanted.
func TestFailedByHand(t *testing.T) {
	for version, updates := range map[string]int{newer: 0, newest: 1} {
		synctest.Test(t, func(t *testing.T) {
			e := newEngine(t)
			m := boot(t, e, daily(t))
			wantError(t, m.Hold(t.Context(), "an exam", time.Time{}), nil)
			e.serve(offer(newer))
			pass(20 * time.Minute)
			e.failAt[updater.StageFetching] = updater.ErrContentMismatch
			if err := m.heard.outcome(t, m.update(version)); !errors.Is(err, updater.ErrContentMismatch) {
				t.Error(err)
			}
			before := e.count("update " + newer)
			e.set(func() { clear(e.failAt) })
			wantError(t, m.Unhold(t.Context()), nil)
			synctest.Wait()
			m.wantUpdates(before + updates)
		})
	}
}
