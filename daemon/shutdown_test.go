// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// TestShutDown at once, whatever runs: no time passes in the bubble. That no
// job outlives Run is seen by the bubble itself, which ends with its last
// goroutine.
func TestShutDown(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(*machine)
		job     string
		end     error
		state   updater.State
	}{
		{"idle", func(*machine) {}, "", nil, updater.StateIdle},
		{"checking", func(m *machine) {
			m.engine.serve(silent(nil, nil))
			go m.Check(m.t.Context())
		}, "", nil, updater.StateIdle},
		{"fetching", func(m *machine) {
			m.engine.holdAt[updater.StageFetching] = make(chan struct{})
			m.update(newer)
		}, newer, updater.ErrCancelled, updater.StateIdle},
		{"cancelled already", func(m *machine) {
			m.engine.holdAt[updater.StageInstalling] = make(chan struct{})
			wantError(m.t, m.Cancel(m.t.Context(), m.update(newer)), nil)
		}, newer, updater.ErrCancelled, updater.StateIdle},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t, newEngine(t), func(o *Options) { o.Rules = rules(policy.ModeInstall) })
				m.start()
				test.prepare(m)
				synctest.Wait()
				m.heard.told()
				begun := time.Now()
				m.shutDown()
				if took := time.Since(begun); took != 0 {
					t.Errorf("stopping took %s", took)
				}
				m.wantState(test.state)
				for transaction := range m.heard.completed {
					wantError(t, m.heard.outcome(t, transaction), test.end)
				}
				if want := len(test.job) > 0; want != (len(m.heard.completed) == 1) {
					t.Errorf("completed %v", m.heard.completed)
				}
				if m.engine.Record().Unfinished != nil {
					t.Error("the transaction was not struck off")
				}
				m.refusesEverything()
			})
		})
	}
}

// TestStoppingComesLast and says how long it may take.
func TestStoppingComesLast(t *testing.T) {
	const stopping = "STOPPING=1\nSTATUS=stopping"
	tests := map[updater.Stage]string{
		"":                      stopping,
		updater.StageFetching:   stopping,
		updater.StageInstalling: stopping,
		updater.StageSwapping:   "STOPPING=1\nEXTEND_TIMEOUT_USEC=60000000\nSTATUS=finishing the final swap",
	}
	for stage, want := range tests {
		t.Run(string(stage), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, hold := newEngine(t), make(chan struct{})
				e.holdAt[stage] = hold
				m := newMachine(t, e)
				m.start()
				if stage != "" {
					m.update(newer)
				}
				m.heard.told()
				m.stop()
				synctest.Wait()
				close(hold)
				synctest.Wait()
				m.shutDown()
				_, states := m.heard.told()
				wantLines(t, states, want)
			})
		})
	}
}

// TestShutDownInTheSwap waits for it, feeds the watchdog meanwhile, begins
// nothing new, and tells how it ended.
func TestShutDownInTheSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, hold := newEngine(t), make(chan struct{})
		e.holdAt[updater.StageSwapping] = hold
		m := newMachine(t, e, func(o *Options) { o.WatchdogInterval = 30 * time.Second })
		m.start()
		transaction := m.update(newer)
		m.heard.told()
		m.stop()
		pass(40 * time.Second)
		if len(m.ended) != 0 {
			t.Fatal("stopped in the middle of the swap")
		}
		_, err := m.Check(t.Context())
		wantError(t, err, updater.ErrCancelled)
		_, err = m.Update(t.Context(), newest)
		wantError(t, err, updater.ErrBusy)
		wantError(t, m.Cancel(t.Context(), ""), updater.ErrNotCancelable)
		if got := m.update(""); got != transaction {
			t.Errorf("transaction %q, want %q", got, transaction)
		}
		close(hold)
		m.shutDown()
		wantError(t, m.heard.outcome(t, transaction), nil)
		m.wantState(updater.StateRebootRequired)
		lines, states := m.heard.told()
		wantLines(t, lines, "stage done", "state reboot-required", "completed 5.1.0: <nil>", "reboot 5.1.0")
		if got := strings.Join(states[1:], " "); got != "WATCHDOG=1 WATCHDOG=1" {
			t.Errorf("while the swap ends: %q", got)
		}
	})
}

// TestStoppedWhenTheCheckEnds: an update that the schedule would begin now is
// not begun any more.
func TestStoppedWhenTheCheckEnds(t *testing.T) {
	for range 50 { // either may come first
		synctest.Test(t, func(t *testing.T) {
			e, answer := newEngine(t), make(chan struct{})
			e.serve(silent(answer, offer(newer)))
			m := newMachine(t, e, func(o *Options) { o.Rules = rules(policy.ModeInstall) })
			m.start()
			pass(m.untilNext())
			m.wantState(updater.StateChecking)
			m.stop()
			close(answer)
			m.shutDown()
			if n := e.count("update " + newer); n != 0 {
				t.Errorf("%d updates began", n)
			}
		})
	}
}

// TestStoppedBeforeTheCall: nothing begins any more, although the loop may take
// the call first.
func TestStoppedBeforeTheCall(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			e, busy := newEngine(t), make(chan struct{})
			m := newMachine(t, e)
			m.start()
			go m.do(t.Context(), func(context.Context) { <-busy })
			synctest.Wait()
			go func() {
				_, err := m.Update(t.Context(), newer)
				wantError(t, err, updater.ErrCancelled)
			}()
			go func() {
				_, err := m.Check(t.Context())
				wantError(t, err, updater.ErrCancelled)
			}()
			synctest.Wait()
			m.stop()
			close(busy)
			m.shutDown()
			if e.count("update "+newer) != 0 || e.count("check") != 0 {
				t.Errorf("calls %q", e.calls)
			}
		})
	}
}

// TestStoppedWhileReading what is installed: LVM is not waited for.
func TestStoppedWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := newMachine(t, e, func(o *Options) { o.Engine = &slowReader{fakeEngine: e, skip: 2} })
		m.start()
		transaction := m.update(newer)
		m.wantState(updater.StateUpdating)
		m.shutDown()
		wantError(t, m.heard.outcome(t, transaction), nil)
		m.wantState(updater.StateRebootRequired)
	})
}
