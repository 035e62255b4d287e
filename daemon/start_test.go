// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/updater"
)

var (
	errDisk = errors.New("a disk that cannot be read")
	errFull = errors.New("no space left on device")
)

// pending is what a machine has installed that waits for a reboot.
func pending(version string) []updater.Installed {
	return []updater.Installed{
		{Version: version, State: updater.InstalledPending, TriesLeft: -1},
		{Version: running, State: updater.InstalledRunning, TriesLeft: -1},
		{Version: "4.9.0", State: updater.InstalledFallback, TriesLeft: -1},
	}
}

func TestStart(t *testing.T) {
	unfinished := func(version string) *updater.Transaction {
		return &updater.Transaction{ID: "t1", Version: version}
	}
	tests := []struct {
		name    string
		prepare func(*fakeEngine)
		want    updater.Overview // of which some fields count
		status  string
		lines   []string
	}{
		{
			name:   "nothing known",
			want:   updater.Overview{State: updater.StateIdle},
			status: "not checked yet",
			lines:  []string{"state idle"},
		},
		{
			name:    "an offer from before",
			prepare: func(e *fakeEngine) { e.record.AvailableVersion = newer },
			want:    updater.Overview{State: updater.StateIdle, AvailableVersion: newer},
			status:  newer + " is available",
			lines:   []string{"state idle"},
		},
		{
			name: "the offer waits for a reboot",
			prepare: func(e *fakeEngine) {
				e.record.AvailableVersion, e.installed = newer, pending(newer)
			},
			want: updater.Overview{
				State: updater.StateRebootRequired, PendingVersion: newer, FallbackVersion: "4.9.0", RebootRequired: true,
			},
			status: newer + " is installed, reboot to use it",
			lines:  []string{"state reboot-required"},
		},
		{
			name:    "the offer runs",
			prepare: func(e *fakeEngine) { e.record.AvailableVersion = running },
			want:    updater.Overview{State: updater.StateIdle},
			status:  "not checked yet",
			lines:   []string{"state idle"},
		},
		{
			name: "the offer is older than what runs", // it was updated by other means
			prepare: func(e *fakeEngine) {
				e.record.AvailableVersion, e.record.LastSuccess = "4.9.5", time.Now()
			},
			want:   updater.Overview{State: updater.StateIdle},
			status: "up to date",
			lines:  []string{"state idle"},
		},
		{
			name:    "interrupted",
			prepare: func(e *fakeEngine) { e.record.Unfinished = unfinished(newer) },
			want:    updater.Overview{State: updater.StateFailed, LastError: updater.ErrInterrupted},
			status:  "interrupted before it was finished",
			lines:   []string{"state failed", "completed 5.1.0: interrupted before it was finished"},
		},
		{
			name: "interrupted after the swap",
			prepare: func(e *fakeEngine) {
				e.record.Unfinished, e.installed = unfinished(newer), pending(newer)
			},
			want: updater.Overview{
				State: updater.StateRebootRequired, PendingVersion: newer, FallbackVersion: "4.9.0", RebootRequired: true,
			},
			status: newer + " is installed, reboot to use it",
			lines:  []string{"state reboot-required", "completed 5.1.0: interrupted before it was finished"},
		},
		{
			name:    "interrupted by a reboot into what it installed",
			prepare: func(e *fakeEngine) { e.record.Unfinished = unfinished(running) },
			want:    updater.Overview{State: updater.StateIdle},
			status:  "not checked yet",
			lines:   []string{"state idle", "completed 5.0.0: interrupted before it was finished"},
		},
		{
			name:    "the disk is not in order",
			prepare: func(e *fakeEngine) { e.readError = errDisk },
			want:    updater.Overview{State: updater.StateFailed, LastError: errDisk},
			status:  errDisk.Error(),
			lines:   []string{"state failed"},
		},
		{
			name: "interrupted, and the disk is not in order",
			prepare: func(e *fakeEngine) {
				e.readError, e.record.Unfinished = errDisk, unfinished(newer)
			},
			want:   updater.Overview{State: updater.StateFailed, LastError: errDisk},
			status: errDisk.Error(),
			lines:  []string{"state failed", "completed 5.1.0: interrupted before it was finished"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				if test.prepare != nil {
					test.prepare(e)
				}
				m := newMachine(t, e)
				m.heard.view.State = "none"
				m.start()
				defer m.shutDown()
				got := m.Overview()
				got = updater.Overview{
					State: got.State, LastError: got.LastError, AvailableVersion: got.AvailableVersion,
					PendingVersion: got.PendingVersion, FallbackVersion: got.FallbackVersion, RebootRequired: got.RebootRequired,
				}
				if !reflect.DeepEqual(got, test.want) {
					t.Errorf("overview\n%+v, want\n%+v", got, test.want)
				}
				lines, states := m.heard.told()
				wantLines(t, lines, test.lines...)
				wantLines(t, states, "STATUS="+test.status, "READY=1")
				if u := e.Record().Unfinished; u != nil {
					t.Errorf("transaction %v was not struck off", u)
				}
			})
		})
	}
}

// TestReadyComes last: systemd starts what waits for this unit then.
func TestReadyComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, recovered := newEngine(t), make(chan struct{})
		e.installed = pending(newer)
		e.onRecover = func(context.Context) (updater.Recovery, error) {
			<-recovered
			return updater.Recovery{Installed: pending(newer)}, nil
		}
		m := boot(t, e)
		if _, states := m.heard.told(); len(states) != 0 {
			t.Errorf("%q before recovery has ended", states)
		}
		asked := make(chan error, 1)
		go func() { asked <- m.Cancel(t.Context(), "") }()
		synctest.Wait()
		if len(asked) != 0 {
			t.Error("a call was answered before recovery has ended")
		}
		close(recovered)
		synctest.Wait()
		wantError(t, <-asked, updater.ErrNoTransaction)
		_, states := m.heard.told()
		wantLines(t, states, "STATUS="+newer+" is installed, reboot to use it", "READY=1")
	})
}

// TestRecoveryHangs: LVM waits for somebody else's lock.
func TestRecoveryHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.onRecover = func(ctx context.Context) (updater.Recovery, error) {
			<-ctx.Done()
			return updater.Recovery{}, ctx.Err()
		}
		m := boot(t, e)
		pass(housekeeping)
		m.wantState(updater.StateFailed)
		wantError(t, m.Overview().LastError, context.DeadlineExceeded)
		if _, states := m.heard.told(); !slices.Contains(states, "READY=1") {
			t.Errorf("told %q, want READY=1", states)
		}
	})
}

func TestInterruptedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.record.Unfinished = &updater.Transaction{ID: "t1", Version: newer}
		for start, want := range []int{1, 0, 0} {
			m := newMachine(t, e)
			m.start()
			m.shutDown()
			if got := len(m.heard.completed); got != want {
				t.Errorf("start %d: %d transactions completed, want %d", start, got, want)
			}
		}
	})
}

// TestNotStruckOff: the disk is full when a transaction has ended. It was told;
// what is left is tried again after each job.
func TestNotStruckOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.record.Unfinished, e.unwritable = &updater.Transaction{ID: "t1", Version: newer}, errFull
		m := boot(t, e)
		wantError(t, m.heard.outcome(t, "t1"), updater.ErrInterrupted)
		check := func() {
			if _, err := m.Check(t.Context()); err != nil {
				t.Errorf("check: %v", err)
			}
		}
		check()
		if e.Record().Unfinished == nil {
			t.Error("struck off on a full disk")
		}
		if _, err := m.Update(t.Context(), newer); !errors.Is(err, errFull) {
			t.Errorf("an update that cannot be recorded: %v, want %v", err, errFull)
		}
		if e.count("update "+newer) != 0 {
			t.Error("an update began that could not be recorded")
		}
		m.wantState(updater.StateIdle)
		e.set(func() { e.unwritable = nil })
		check()
		if u := e.Record().Unfinished; u != nil {
			t.Errorf("%v was not struck off", u)
		}
	})
}

// TestNotReady: a service manager that cannot be told would end the daemon
// anyway, in the middle of something.
func TestNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.record.Unfinished = &updater.Transaction{ID: "t1", Version: newer}
		m := newMachine(t, e)
		gone := errors.New("nobody listens")
		m.heard.refuse = map[string]error{"READY=1": gone}
		m.start()
		wantError(t, <-m.ended, gone)
		if len(m.heard.completed) != 0 || e.Record().Unfinished == nil {
			t.Error("the transaction was completed by a daemon that did not start")
		}
		m.refusesEverything()
	})
}

// refusesEverything sees that calls return although no loop answers them.
func (m *machine) refusesEverything() {
	m.t.Helper()
	ctx := m.t.Context()
	_, err := m.Check(ctx)
	wantError(m.t, err, updater.ErrCancelled)
	_, err = m.Update(ctx, "")
	wantError(m.t, err, updater.ErrCancelled)
	_, err = m.Update(ctx, newer)
	wantError(m.t, err, updater.ErrCancelled)
	wantError(m.t, m.Cancel(ctx, ""), updater.ErrCancelled)
	if _, err := m.ListVersions(ctx); err != nil {
		m.t.Errorf("ListVersions: %v", err)
	}
	m.Overview()
}

func TestStoppedDuringRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.record.Unfinished = &updater.Transaction{ID: "t1", Version: newer}
		e.onRecover = func(ctx context.Context) (updater.Recovery, error) {
			<-ctx.Done()
			return updater.Recovery{}, ctx.Err()
		}
		m := newMachine(t, e)
		m.start()
		m.shutDown()
		_, states := m.heard.told()
		wantLines(t, states, "STOPPING=1\nSTATUS=stopping")
		if len(m.heard.completed) != 0 || e.Record().Unfinished == nil {
			t.Error("the transaction was completed although nothing is known of the disk")
		}
	})
}

func TestCallsBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, newEngine(t))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.Check(ctx)
		wantError(t, err, context.DeadlineExceeded)
		if got := m.Overview(); got.State != updater.StateIdle || got.RunningVersion != running || got.OSName != "clipos" {
			t.Errorf("overview %+v", got)
		}
	})
}
