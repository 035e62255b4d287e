// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

func TestUpdate(t *testing.T) {
	const begins = "state updating"
	tests := []struct {
		name   string
		failAt updater.Stage
		err    error
		before []updater.Installed
		offers string // what the server was known to offer

		state     updater.State
		lastError error
		available string
		pending   string
		lines     []string
	}{
		{
			name: "done", offers: newer,
			state: updater.StateRebootRequired, pending: newer,
			lines: []string{
				begins, "stage checking", "stage fetching", "stage verifying", "stage installing", "stage swapping",
				"stage done", "state reboot-required", "completed 5.1.0: <nil>", "reboot 5.1.0",
			},
		},
		{
			name: "done, and the server offers a newer one", offers: newest,
			state: updater.StateRebootRequired, pending: newer, available: newest,
			lines: []string{
				begins, "stage checking", "stage fetching", "stage verifying", "stage installing", "stage swapping",
				"stage done", "state reboot-required", "completed 5.1.0: <nil>", "reboot 5.1.0",
			},
		},
		{
			name: "done over one that waited", before: pending("5.0.9"),
			state: updater.StateRebootRequired, pending: newer,
			lines: []string{
				begins, "stage checking", "stage fetching", "stage verifying", "stage installing", "stage swapping",
				"stage done", "state reboot-required", "completed 5.1.0: <nil>", "reboot 5.1.0",
			},
		},
		{
			name: "no network", failAt: updater.StageFetching, err: updater.ErrNetworkUnavailable, offers: newer,
			state: updater.StateFailed, lastError: updater.ErrNetworkUnavailable, available: newer,
			lines: []string{
				begins, "stage checking", "stage fetching", "state failed", "completed 5.1.0: network unavailable",
			},
		},
		{
			name: "bad payload while another update waits", failAt: updater.StageVerifying, err: updater.ErrContentMismatch,
			before: pending("5.0.9"),
			state:  updater.StateFailed, lastError: updater.ErrContentMismatch, pending: "5.0.9",
			lines: []string{
				begins, "stage checking", "stage fetching", "stage verifying", "state failed",
				"completed 5.1.0: payloads do not belong together",
			},
		},
		{
			name: "the swap fails", failAt: updater.StageSwapping, err: errFull,
			state: updater.StateFailed, lastError: errFull,
			lines: []string{
				begins, "stage checking", "stage fetching", "stage verifying", "stage installing", "stage swapping",
				"state failed", "completed 5.1.0: cannot update to 5.1.0: no space left on device",
			},
		},
		{
			name: "nothing to do any more", failAt: updater.StageChecking, err: updater.ErrNoUpdate,
			state: updater.StateIdle,
			lines: []string{begins, "stage checking", "state idle", "completed 5.1.0: no update available"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.failAt[test.failAt] = test.err
				e.record.AvailableVersion = test.offers
				if test.before != nil {
					e.installed = test.before
				}
				m := boot(t, e)
				m.heard.told()
				transaction := m.update(newer)
				wantError(t, m.heard.outcome(t, transaction), test.err)
				m.wantState(test.state)
				view := m.Overview()
				wantError(t, view.LastError, test.lastError)
				if view.AvailableVersion != test.available || view.PendingVersion != test.pending {
					t.Errorf("available %q, want %q; pending %q, want %q", view.AvailableVersion, test.available, view.PendingVersion, test.pending)
				}
				s := view.Status
				if view.Transaction != "" || s.Cancelable || s.Version != newer || test.err == nil && s.Progress != 1 {
					t.Errorf("transaction %q, status %+v", view.Transaction, s)
				}
				if u := e.Record().Unfinished; u != nil {
					t.Errorf("%v was not struck off", u)
				}
				lines, _ := m.heard.told()
				wantLines(t, lines, test.lines...)
			})
		})
	}
}

// TestProgressStays until the next update, also after a check.
func TestProgressStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e)
		m.update(newer)
		pass(24 * time.Hour)
		if s := m.Overview().Status; s.Progress != 1 || s.Stage != updater.StageDone {
			t.Errorf("a day later: %+v", s)
		}
		e.holdAt[updater.StageChecking] = make(chan struct{})
		m.update(newest)
		if s := m.Overview().Status; s.Progress != 0 || s.Stage != updater.StageChecking || !s.Cancelable {
			t.Errorf("the next one begins: %+v", s)
		}
		close(e.holdAt[updater.StageChecking])
	})
}

// TestInstalledUnread: the update succeeded, whatever came after.
func TestInstalledUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.onAcceptable = func(context.Context, string) error { return nil }
		m := boot(t, e)
		e.set(func() { e.readError = errDisk })
		wantError(t, m.heard.outcome(t, m.update(newer)), nil)
		m.wantState(updater.StateRebootRequired)
	})
}

func TestUpdateIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.holdAt[updater.StageInstalling] = make(chan struct{})
		m := boot(t, e)
		transaction := m.update(newer)
		// Its volume is in use now, by this very update.
		e.onAcceptable = func(context.Context, string) error { return updater.ErrVolumeInUse }
		for _, version := range []string{newer, ""} {
			if got := m.update(version); got != transaction {
				t.Errorf("update to %q: transaction %q, want %q", version, got, transaction)
			}
		}
		_, err := m.Update(t.Context(), newest)
		wantError(t, err, updater.ErrBusy)
		close(e.holdAt[updater.StageInstalling])
		synctest.Wait()
		if n := e.count("update " + newer); n != 1 {
			t.Errorf("%d updates", n)
		}
		m.wantChecks(0)
	})
}

// TestUpdatesAtOnce: of callers that come together one begins it.
func TestUpdatesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.onCheck, e.holdAt[updater.StageFetching] = offer(newer), make(chan struct{})
		m := boot(t, e)
		transactions := make(chan string, 20)
		for i := range cap(transactions) {
			go func() {
				transaction, err := m.Update(t.Context(), []string{"", newer}[i%2])
				wantError(t, err, nil)
				transactions <- transaction
			}()
		}
		synctest.Wait()
		first := <-transactions
		for range cap(transactions) - 1 {
			if other := <-transactions; other != first {
				t.Errorf("transactions %s and %s", first, other)
			}
		}
		close(e.holdAt[updater.StageFetching])
	})
}

func TestUpdateIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		m := boot(t, e)
		m.heard.told()
		for _, refusal := range []error{updater.ErrInvalidVersion, updater.ErrDowngrade, updater.ErrNoUpdate, updater.ErrVolumeInUse} {
			e.onAcceptable = func(context.Context, string) error { return refusal }
			_, err := m.Update(t.Context(), newer)
			wantError(t, err, refusal)
			_, err = m.Update(t.Context(), "")
			wantError(t, err, refusal)
		}
		m.wantState(updater.StateIdle)
		if n := e.count("update " + newer); n != 0 || e.Record().Unfinished != nil {
			t.Errorf("%d updates began, recorded is %v", n, e.Record().Unfinished)
		}
		lines, _ := m.heard.told()
		wantLines(t, lines, "state checking", "state idle", "available 5.1.0")
	})
}

// TestUpdateToNewest asks the server unless it has just said.
func TestUpdateToNewest(t *testing.T) {
	tests := []struct {
		name   string
		answer func(context.Context) (updater.Check, error)
		asked  bool          // by a check before
		later  time.Duration // so much later
		jump   time.Duration // and the clock was set
		err    error
		checks int
	}{
		{name: "never asked", answer: offer(newer), checks: 1},
		{name: "asked just now", answer: offer(newer), asked: true, later: freshCheck - time.Second, checks: 1},
		{name: "asked too long ago", answer: offer(newer), asked: true, later: freshCheck, checks: 2},
		{name: "asked before the machine slept", answer: offer(newer), asked: true, jump: freshCheck, checks: 2},
		{name: "asked before the clock was set back", answer: offer(newer), asked: true, jump: -time.Second, checks: 2},
		{name: "nothing new", answer: answers(nil), err: updater.ErrNoUpdate, checks: 1},
		{name: "nothing new just now", answer: answers(nil), asked: true, err: updater.ErrNoUpdate, checks: 1},
		{name: "no network", answer: answers(updater.ErrNetworkUnavailable), err: updater.ErrNetworkUnavailable, checks: 1},
		{name: "no network just now", answer: answers(updater.ErrNetworkUnavailable), asked: true, err: updater.ErrNetworkUnavailable, checks: 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.serve(test.answer)
				m := boot(t, e)
				if test.asked {
					m.Check(t.Context())
				}
				pass(test.later)
				m.set(test.jump)
				transaction, err := m.Update(t.Context(), "")
				wantError(t, err, test.err)
				synctest.Wait()
				m.wantChecks(test.checks)
				if test.err != nil {
					if transaction != "" || len(m.heard.completed) != 0 {
						t.Errorf("transaction %q and %v", transaction, test.err)
					}
					return
				}
				wantError(t, m.heard.outcome(t, transaction), nil)
				if n := e.count("update " + newer); n != 1 {
					t.Errorf("%d updates to %s", n, newer)
				}
			})
		})
	}
}

// TestUpdateDuringCheck by the schedule: the update waits for the check's end
// and is not refused for it. In mode install the check's end may begin the
// update itself.
func TestUpdateDuringCheck(t *testing.T) {
	tests := []struct {
		version string
		mode    policy.Mode
		then    func(context.Context) (updater.Check, error)
		err     error
		updates string
	}{
		{"", policy.ModeCheck, offer(newer), nil, newer},
		{"", policy.ModeInstall, offer(newer), nil, newer},
		{"", policy.ModeCheck, answers(nil), updater.ErrNoUpdate, ""},
		{"", policy.ModeInstall, answers(updater.ErrNetworkUnavailable), updater.ErrNetworkUnavailable, ""},
		{newer, policy.ModeCheck, offer(newer), nil, newer},
		{newer, policy.ModeInstall, offer(newer), nil, newer},
		{newer, policy.ModeCheck, offer(newest), nil, newer},
		{newer, policy.ModeInstall, answers(nil), nil, newer},
		{newer, policy.ModeCheck, answers(updater.ErrNetworkUnavailable), nil, newer},
	}
	for _, test := range tests {
		answer, err := test.then(t.Context())
		title := fmt.Sprintf("%q, mode %s, the check says %q %v", test.version, test.mode, answer.Version, err)
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, answer := newEngine(t), make(chan struct{})
				e.serve(silent(answer, test.then))
				e.holdAt[updater.StageFetching] = make(chan struct{})
				m := boot(t, e, func(o *Options) { o.Rules = rules(test.mode) })
				pass(20 * time.Minute)
				m.wantState(updater.StateChecking)
				transactions := make(chan string, 1)
				go func() {
					transaction, err := m.Update(t.Context(), test.version)
					wantError(t, err, test.err)
					transactions <- transaction
				}()
				synctest.Wait()
				if len(transactions) != 0 {
					t.Fatal("the update began while the check ran")
				}
				close(answer)
				synctest.Wait()
				if transaction := <-transactions; test.err == nil && transaction != m.Overview().Transaction {
					t.Errorf("transaction %q, that of the update is %q", transaction, m.Overview().Transaction)
				}
				m.wantChecks(1)
				if test.updates != "" && e.count("update "+test.updates) != 1 {
					t.Errorf("calls %q, want an update to %s", e.calls, test.updates)
				}
				close(e.holdAt[updater.StageFetching])
			})
		})
	}
}

// TestUpdateGoesAway: the caller does not wait for a check that takes long.
func TestUpdateGoesAway(t *testing.T) {
	for _, version := range []string{"", newer} {
		t.Run(fmt.Sprintf("%q", version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.serve(silent(nil, nil))
				m := boot(t, e)
				go m.Check(t.Context())
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 18*time.Second)
				defer cancel()
				_, err := m.Update(ctx, version)
				wantError(t, err, updater.ErrNetworkUnavailable)
				m.wantState(updater.StateChecking)
			})
		})
	}
}
