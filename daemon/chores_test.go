// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// chores are what must not run beside an update, by name.
func (m *machine) chores() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Rollback":      func(ctx context.Context) error { _, err := m.Rollback(ctx, running); return err },
		"MarkBoot":      func(ctx context.Context) error { return m.MarkBoot(ctx, true, "") },
		"ForgetFailure": func(ctx context.Context) error { return m.ForgetFailure(ctx, "4.0.0") },
		"Reload":        m.Reload,
	}
}

// eachChore runs a test for each, with a failed version to be forgotten.
func eachChore(t *testing.T, do func(m *machine, chore func(context.Context) error)) {
	t.Helper()
	for name := range new(machine).chores() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.record.FailedVersions = []string{"4.0.0"}
				m := newMachine(t, e, reloads(nil, within(t, policy.ModeCheck)))
				m.start()
				do(m, m.chores()[name])
			})
		})
	}
}

func TestBusyChores(t *testing.T) {
	eachChore(t, func(m *machine, chore func(context.Context) error) {
		fetching := make(chan struct{})
		m.engine.holdAt[updater.StageFetching] = fetching
		m.update(newer)
		wantError(m.t, chore(m.t.Context()), updater.ErrBusy)
		_, err := m.Plan(m.t.Context(), newer)
		wantError(m.t, err, updater.ErrBusy)
		close(fetching)
		synctest.Wait()
		wantError(m.t, chore(m.t.Context()), nil)
		m.shutDown()
		wantError(m.t, chore(m.t.Context()), updater.ErrCancelled)
	})
}

// TestChoreWaits for a check, and gives up with its caller, not begun.
func TestChoreWaits(t *testing.T) {
	eachChore(t, func(m *machine, chore func(context.Context) error) {
		answer := make(chan struct{})
		m.engine.serve(silent(answer, answers(nil)))
		go m.Check(m.t.Context())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(m.t.Context(), time.Second)
		defer cancel()
		wantError(m.t, chore(ctx), updater.ErrBusy)
		ended := make(chan error, 1)
		go func() { ended <- chore(m.t.Context()) }()
		synctest.Wait()
		if len(ended) != 0 {
			m.t.Fatal("it ran beside the check")
		}
		close(answer)
		wantError(m.t, <-ended, nil)
		m.shutDown()
	})
}

// TestChoreIsStopped while it waits for a check.
func TestChoreIsStopped(t *testing.T) {
	eachChore(t, func(m *machine, chore func(context.Context) error) {
		m.engine.serve(silent(nil, nil))
		go m.Check(m.t.Context())
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- chore(m.t.Context()) }()
		synctest.Wait()
		m.shutDown()
		wantError(m.t, <-ended, updater.ErrCancelled)
	})
}

// TestGivenUpAtTheEnd of what was waited for: whether the one or the other is
// seen first, nobody is told that what did not begin was done.
func TestGivenUpAtTheEnd(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			e, answer := newEngine(t), make(chan struct{})
			m := boot(t, e)
			e.serve(silent(answer, answers(nil)))
			go m.Check(t.Context())
			synctest.Wait()
			ctx, leave := context.WithCancel(t.Context())
			go func() {
				if err := m.MarkBoot(ctx, true, ""); err == nil && e.count("mark true") == 0 {
					t.Error("not marked, and no error")
				}
			}()
			go func() {
				transaction, err := m.Update(ctx, newer)
				if (transaction == "") == (err == nil) {
					t.Errorf("transaction %q, %v", transaction, err)
				}
			}()
			synctest.Wait()
			close(answer)
			leave()
			synctest.Wait()
		})
	}
}

// TestChoreGoesOn when its caller does not wait any longer; what follows from
// it is seen all the same. Meanwhile a check and an update wait for it.
func TestChoreGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, slow := newEngine(t), make(chan struct{})
		e.installed = append(e.installed, updater.Installed{Version: "4.9.0", State: updater.InstalledFallback})
		m := boot(t, e)
		m.heard.told()
		e.holdChores = slow
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		version, err := m.Rollback(ctx, "")
		wantError(t, err, context.DeadlineExceeded)
		if version != "" {
			t.Errorf("rolled back to %q", version)
		}
		for name, call := range map[string]func(context.Context) error{
			"check":     func(ctx context.Context) error { _, err := m.Check(ctx); return err },
			"update":    func(ctx context.Context) error { _, err := m.Update(ctx, newer); return err },
			"to newest": func(ctx context.Context) error { _, err := m.Update(ctx, ""); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := call(ctx); !errors.Is(err, updater.ErrBusy) {
				t.Errorf("%s: %v, want %v", name, err, updater.ErrBusy)
			}
		}
		wantError(t, m.Cancel(t.Context(), ""), updater.ErrNoTransaction)
		checked := make(chan error, 1)
		go func() { _, err := m.Check(t.Context()); checked <- err }()
		synctest.Wait()
		m.wantChecks(0)
		close(slow)
		wantError(t, <-checked, nil)
		lines, _ := m.heard.told()
		wantLines(t, lines, "state reboot-required", "reboot 4.9.0", "state checking", "state reboot-required")
	})
}

func TestRollback(t *testing.T) {
	fallback := updater.Installed{Version: "4.9.0", State: updater.InstalledFallback}
	tests := []struct {
		name              string
		installed         []updater.Installed
		version, chosen   string
		err               error
		pending, fallback string
		state             updater.State
		lines             []string
		unreadable        bool
	}{
		{
			name: "to the fallback", installed: []updater.Installed{fallback},
			chosen: "4.9.0", pending: "4.9.0", state: updater.StateRebootRequired,
			lines: []string{"state reboot-required", "reboot 4.9.0"},
		},
		{
			name: "to the fallback, and then the disk cannot be read", installed: []updater.Installed{fallback}, unreadable: true,
			chosen: "4.9.0", pending: "4.9.0", fallback: "4.9.0", state: updater.StateRebootRequired,
			lines: []string{"state reboot-required", "reboot 4.9.0"},
		},
		{
			name: "an update is taken back", installed: []updater.Installed{{Version: newer, State: updater.InstalledPending}}, version: running,
			chosen: running, fallback: newer, state: updater.StateIdle,
			lines: []string{"state idle"},
		},
		{
			name: "to what is not there", version: "1.0.0", err: updater.ErrUnknownVersion, state: updater.StateIdle,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.installed = append(e.installed, test.installed...)
				m := boot(t, e)
				m.heard.told()
				if test.unreadable {
					e.set(func() { e.readError = errDisk })
				}
				chosen, err := m.Rollback(t.Context(), test.version)
				wantError(t, err, test.err)
				view := m.Overview()
				if chosen != test.chosen || view.PendingVersion != test.pending || view.FallbackVersion != test.fallback {
					t.Errorf("chosen %q, want %q; pending %q, want %q; fallback %q, want %q",
						chosen, test.chosen, view.PendingVersion, test.pending, view.FallbackVersion, test.fallback)
				}
				m.wantState(test.state)
				lines, _ := m.heard.told()
				wantLines(t, lines, test.lines...)
			})
		})
	}
}

// TestTakenBackIsNotInstalledAgain by the schedule, also not after a restart.
func TestTakenBackIsNotInstalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		installedOnce(e)
		m := newMachine(t, e, within(t, policy.ModeInstall))
		m.start()
		pass(20 * time.Minute)
		m.wantState(updater.StateRebootRequired)
		_, err := m.Rollback(t.Context(), running)
		wantError(t, err, nil)
		pass(24 * time.Hour)
		m.shutDown()
		e.set(func() { e.record.AvailableVersion = newer })
		m = boot(t, e, within(t, policy.ModeInstall))
		pass(24 * time.Hour)
		m.wantUpdates(1)
		m.wantState(updater.StateIdle)
	})
}

func TestMarkBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.installed = append(e.installed, fallback)
		m := boot(t, e, within(t, policy.ModeInstall))
		m.wantBlockers()
		wantError(t, m.MarkBoot(t.Context(), false, "no sound"), nil)
		if got := m.Overview().FailedVersions; !slices.Equal(got, []string{running}) {
			t.Errorf("failed versions %q", got)
		}
		m.wantBlockers(policy.BlockerNotConfirmed)
	})
}

// refused is what a server offers that did not come up here.
func refused(e *fakeEngine) func(context.Context) (updater.Check, error) {
	return func(ctx context.Context) (updater.Check, error) {
		if slices.Contains(e.Record().FailedVersions, newer) {
			return updater.Check{Version: newer, Running: running, FailedBefore: true}, nil
		}
		return offer(newer)(ctx)
	}
}

func TestForgetFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.record.FailedVersions = []string{newer, "4.0.0"}
		e.serve(refused(e))
		m := boot(t, e, within(t, policy.ModeInstall))
		pass(20 * time.Minute)
		m.wantBlockers(policy.BlockerFailedBefore)
		_, err := m.Update(t.Context(), "")
		wantError(t, err, updater.ErrFailedBefore)

		wantError(t, m.ForgetFailure(t.Context(), newest), updater.ErrUnknownVersion)
		wantError(t, m.ForgetFailure(t.Context(), "4.0.0"), nil)
		m.wantBlockers(policy.BlockerFailedBefore)
		wantError(t, m.ForgetFailure(t.Context(), newer), nil)
		m.wantBlockers()
		if got := m.Overview().FailedVersions; len(got) != 0 {
			t.Errorf("failed versions %q", got)
		}
		// At once, without the answer of before.
		m.update("")
		m.wantUpdates(1)
	})
}

// TestForgottenIsInstalled by the schedule that finds it again.
func TestForgottenIsInstalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.record.FailedVersions = []string{newer}
		e.serve(refused(e))
		m := boot(t, e, within(t, policy.ModeInstall))
		pass(20 * time.Minute)
		wantError(t, m.ForgetFailure(t.Context(), newer), nil)
		pass(5 * time.Minute)
		m.wantUpdates(0)
		installedOnce(e)
		pass(2 * time.Hour)
		m.wantUpdates(1)
	})
}

func TestPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e)
		plan, err := m.Plan(t.Context(), newer)
		wantError(t, err, nil)
		if plan.Version != newer || len(plan.Blockers) != 1 || plan.Blockers[0].Code != policy.BlockerMode {
			t.Errorf("plan %+v", plan)
		}
		e.set(func() { e.readError = errDisk })
		if _, err = m.Plan(t.Context(), newer); !errors.Is(err, errDisk) {
			t.Errorf("%v, want %v", err, errDisk)
		}
		e.set(func() { e.readError = nil })
	})
}

// hanging is an engine whose server says nothing, which the engine calls a
// cancellation.
type hanging struct{ *fakeEngine }

func (h hanging) Acceptable(ctx context.Context, version string) error {
	<-ctx.Done()
	return &updater.Error{Version: version, Err: updater.ErrCancelled}
}

func (h hanging) Plan(ctx context.Context, version string) (updater.Plan, error) {
	return updater.Plan{}, h.Acceptable(ctx, version)
}

// TestNoAnswerInTime is no cancellation; to go away is.
func TestNoAnswerInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e, func(o *Options) { o.Engine = hanging{e} })
		plan := func(ctx context.Context) error { _, err := m.Plan(ctx, newer); return err }
		update := func(ctx context.Context) error { _, err := m.Update(ctx, newer); return err }
		for _, call := range []func(context.Context) error{plan, update} {
			err := call(t.Context())
			if !errors.Is(err, updater.ErrNetworkUnavailable) || errors.Is(err, updater.ErrCancelled) {
				t.Errorf("%v, want %v", err, updater.ErrNetworkUnavailable)
			}
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			err = call(ctx)
			if !errors.Is(err, updater.ErrCancelled) && !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want %v", err, updater.ErrCancelled)
			}
		}
		m.wantUpdates(0)
	})
}
