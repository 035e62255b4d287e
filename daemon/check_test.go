// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/updater"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name      string
		answer    func(context.Context) (updater.Check, error)
		before    string // what was available
		pending   string
		available bool
		err       error

		state          updater.State
		availableAfter string
		lines          []string
	}{
		{
			name: "nothing new", answer: answers(nil),
			state: updater.StateIdle,
			lines: []string{"state checking", "state idle"},
		},
		{
			name: "an offer", answer: offer(newer), available: true,
			state: updater.StateIdle, availableAfter: newer,
			lines: []string{"state checking", "state idle", "available 5.1.0"},
		},
		{
			name: "an offer that is known", answer: offer(newer), before: newer, available: true,
			state: updater.StateIdle, availableAfter: newer,
			lines: []string{"state checking", "state idle"},
		},
		{
			name: "a newer offer than the one known", answer: offer(newest), before: newer, available: true,
			state: updater.StateIdle, availableAfter: newest,
			lines: []string{"state checking", "state idle", "available 5.2.0"},
		},
		{
			name: "the offer is withdrawn", answer: answers(nil), before: newer,
			state: updater.StateIdle,
			lines: []string{"state checking", "state idle"},
		},
		{
			name: "no network", answer: answers(updater.ErrNetworkUnavailable), before: newer,
			err: updater.ErrNetworkUnavailable, state: updater.StateFailed, availableAfter: newer,
			lines: []string{"state checking", "state failed"},
		},
		{
			name: "nothing new while an update waits", answer: answers(nil), pending: newer,
			state: updater.StateRebootRequired,
			lines: []string{"state checking", "state reboot-required"},
		},
		{
			name: "no network while an update waits", answer: answers(updater.ErrNetworkUnavailable), pending: newer,
			err: updater.ErrNetworkUnavailable, state: updater.StateFailed,
			lines: []string{"state checking", "state failed"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.onCheck, e.record.AvailableVersion = test.answer, test.before
				if test.pending != "" {
					e.installed = pending(test.pending)
				}
				m := boot(t, e)
				m.heard.told()
				check, err := m.Check(t.Context())
				wantError(t, err, test.err)
				if check.Available != test.available {
					t.Errorf("check %+v, want available: %t", check, test.available)
				}
				m.wantState(test.state)
				view := m.Overview()
				wantError(t, view.LastError, test.err)
				if view.AvailableVersion != test.availableAfter || view.RebootRequired != (test.pending != "") {
					t.Errorf("available %q, want %q; reboot required %t", view.AvailableVersion, test.availableAfter, view.RebootRequired)
				}
				if view.LastCheck != e.record.LastCheck || view.LastSuccess != e.record.LastSuccess {
					t.Errorf("last check %s, last success %s", view.LastCheck, view.LastSuccess)
				}
				lines, _ := m.heard.told()
				wantLines(t, lines, test.lines...)
			})
		})
	}
}

// TestFailedUntilTheNext job begins, whatever that is.
func TestFailedUntilTheNext(t *testing.T) {
	for _, job := range []string{"check", "update"} {
		t.Run(job, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, answer := newEngine(t), make(chan struct{})
				e.serve(answers(updater.ErrNetworkUnavailable))
				m := boot(t, e)
				_, err := m.Check(t.Context())
				wantError(t, err, updater.ErrNetworkUnavailable)
				pass(time.Minute)
				m.wantState(updater.StateFailed)
				if job == "check" {
					e.serve(silent(answer, answers(nil)))
					go m.Check(t.Context())
					synctest.Wait()
					m.wantState(updater.StateChecking)
				} else {
					e.holdAt[updater.StageFetching] = answer
					m.update(newer)
					m.wantState(updater.StateUpdating)
				}
				wantError(t, m.Overview().LastError, nil)
				close(answer)
				synctest.Wait()
				wantError(t, m.Overview().LastError, nil)
			})
		})
	}
}

// TestCheckIsJoined by all who come while it runs; whoever goes away before
// it has ended does not end it.
func TestCheckIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, answer := newEngine(t), make(chan struct{})
		e.serve(silent(answer, offer(newer)))
		m := boot(t, e)
		impatient, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := m.Check(impatient); left <- err }()
		synctest.Wait()
		checks := make(chan updater.Check, 3)
		for range cap(checks) {
			go func() {
				check, err := m.Check(t.Context())
				wantError(t, err, nil)
				checks <- check
			}()
		}
		leave()
		synctest.Wait()
		wantError(t, <-left, updater.ErrNetworkUnavailable)
		m.wantState(updater.StateChecking)
		wantError(t, m.Cancel(t.Context(), ""), updater.ErrNoTransaction)
		close(answer)
		for range cap(checks) {
			if check := <-checks; check.Version != newer || !check.Available {
				t.Errorf("check %+v, want %s", check, newer)
			}
		}
		m.wantChecks(1)
	})
}

func TestNoCheckWhileUpdating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.holdAt[updater.StageFetching] = make(chan struct{})
		m := boot(t, e)
		m.update(newer)
		_, err := m.Check(t.Context())
		wantError(t, err, updater.ErrBusy)
		m.wantChecks(0)
		close(e.holdAt[updater.StageFetching])
		synctest.Wait()
		if _, err := m.Check(t.Context()); err != nil {
			t.Errorf("check after the update: %v", err)
		}
		m.wantChecks(1)
	})
}

// TestDiskIsReadAgain after each job: the volumes may have come since start.
func TestDiskIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.readError = errDisk
		m := boot(t, e)
		m.wantState(updater.StateFailed)
		e.set(func() { e.readError, e.installed = nil, pending(newer) })
		if _, err := m.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.wantState(updater.StateRebootRequired)
		if view := m.Overview(); view.PendingVersion != newer || view.FallbackVersion != "4.9.0" {
			t.Errorf("pending %q, fallback %q", view.PendingVersion, view.FallbackVersion)
		}
		// What was known stays known while it cannot be read.
		e.set(func() { e.readError = errDisk })
		if _, err := m.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.wantState(updater.StateRebootRequired)
		e.set(func() { e.readError = nil })
	})
}
