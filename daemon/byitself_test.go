// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// within changes the rules to a mode and to windows.
func within(t *testing.T, mode policy.Mode, windows ...string) func(*Options) {
	t.Helper()
	r := rules(mode)
	for _, text := range windows {
		w, err := policy.ParseWindow(text)
		if err != nil {
			t.Fatal(err)
		}
		r.Windows = append(r.Windows, w)
	}
	return func(o *Options) { o.Rules = r }
}

// TestModes over three days with an offer: how far each goes, and how often.
func TestModes(t *testing.T) {
	tests := map[policy.Mode]struct {
		results  []updater.Result
		blockers []policy.BlockerCode
		state    updater.State
	}{
		policy.ModeCheck:   {nil, []policy.BlockerCode{policy.BlockerMode}, updater.StateIdle},
		policy.ModeFetch:   {[]updater.Result{updater.ResultFetched}, []policy.BlockerCode{policy.BlockerMode}, updater.StateIdle},
		policy.ModeInstall: {[]updater.Result{updater.ResultInstalled}, nil, updater.StateRebootRequired},
	}
	for mode, test := range tests {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				installedOnce(e)
				m := boot(t, e, within(t, mode))
				pass(72 * time.Hour)
				m.wantUpdates(len(test.results))
				m.wantResults(test.results...)
				m.wantBlockers(test.blockers...)
				m.wantState(test.state)
				if fetched := mode == policy.ModeFetch; fetched == m.Overview().RebootRequired && mode != policy.ModeCheck {
					t.Errorf("reboot required: %t", !fetched)
				}
			})
		})
	}
}

// installedOnce makes the server offer a version until it is installed, and
// the update refuse what is.
func installedOnce(e *fakeEngine) {
	e.serve(func(ctx context.Context) (updater.Check, error) {
		list, err := e.Installed(ctx)
		for _, i := range list {
			if i.Version == newer {
				return updater.Check{Version: newer, Running: running}, err
			}
		}
		return offer(newer)(ctx)
	})
}

// TestFetchedIsRemembered across restarts, as long as nothing else has used
// the cache.
func TestFetchedIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		restart := func(mode policy.Mode) {
			m := newMachine(t, e, within(t, mode))
			m.start()
			pass(24 * time.Hour)
			m.shutDown()
		}
		for range 3 {
			restart(policy.ModeFetch)
		}
		if n := e.count("update " + newer); n != 1 {
			t.Errorf("fetched %d times", n)
		}
		e.serve(offer(newest))
		restart(policy.ModeFetch)
		if n := e.count("update " + newest); n != 1 {
			t.Errorf("a newer one was fetched %d times", n)
		}
		// Back to the first, which the cache has no more.
		installedOnce(e)
		restart(policy.ModeFetch)
		restart(policy.ModeInstall)
		if n := e.count("update " + newer); n != 3 {
			t.Errorf("%d updates once it may be installed", n)
		}
	})
}

// TestCacheUsedForAnother: the cache holds one version, and what was fetched
// ahead is fetched again when somebody's attempt at another has failed.
func TestCacheUsedForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		m := boot(t, e, within(t, policy.ModeFetch))
		pass(20 * time.Minute)
		m.wantUpdates(1)
		e.set(func() { e.failAt[updater.StageVerifying] = updater.ErrContentMismatch })
		wantError(t, m.heard.outcome(t, m.update(newest)), updater.ErrContentMismatch)
		m.wantUpdates(2) // at once: the other's failure says nothing about this one
		e.set(func() { clear(e.failAt) })
		pass(24 * time.Hour)
		m.wantResults(updater.ResultFetched, updater.ResultFailed, updater.ResultFailed, updater.ResultFetched)
	})
}

// TestWindow: what was found by day is fetched at once, and installed in the
// night. The bubble begins at midnight UTC.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		installedOnce(e)
		m := boot(t, e, within(t, policy.ModeInstall, "22:00-23:00 UTC"))
		pass(21*time.Hour + 58*time.Minute)
		m.wantResults(updater.ResultFetched)
		m.wantBlockers(policy.BlockerWindow)
		m.wantState(updater.StateIdle)
		pass(4 * time.Minute)
		m.wantResults(updater.ResultFetched, updater.ResultInstalled)
		m.wantState(updater.StateRebootRequired)
		m.wantBlockers()
		pass(72 * time.Hour)
		m.wantUpdates(2)
	})
}

// TestWindowCloses while an update is fetched: it is not installed then, but
// in the next window.
func TestWindowCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, slow := newEngine(t), make(chan struct{})
		installedOnce(e)
		e.holdAt[updater.StageFetching] = slow
		m := boot(t, e, within(t, policy.ModeInstall, "00:00-02:00 UTC"))
		pass(3 * time.Hour)
		m.wantState(updater.StateUpdating)
		close(slow)
		synctest.Wait()
		m.wantResults(updater.ResultFetched)
		m.wantBlockers(policy.BlockerWindow)
		pass(20 * time.Hour)
		m.wantUpdates(1)
		pass(2 * time.Hour)
		m.wantResults(updater.ResultFetched, updater.ResultInstalled)
	})
}

// TestHold stops what is done by itself, and nothing else.
func TestHold(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*machine)
	}{
		{"expires", func(*machine) { pass(24 * time.Hour) }},
		{"is ended", func(m *machine) {
			pass(time.Hour)
			wantError(m.t, m.Unhold(m.t.Context()), nil)
			synctest.Wait()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				installedOnce(e)
				m := boot(t, e, within(t, policy.ModeInstall))
				until := m.wall().Add(20 * time.Hour)
				wantError(t, m.Hold(t.Context(), "an exam", until), nil)
				if v := m.Overview(); !v.Held || v.HoldReason != "an exam" {
					t.Errorf("held %t for %q", v.Held, v.HoldReason)
				}
				pass(10 * time.Hour)
				m.wantBlockers(policy.BlockerHeld)
				m.wantUpdates(0)
				if m.engine.count("check") == 0 {
					t.Error("nobody asks the server while updates are held")
				}
				test.end(m)
				m.wantUpdates(1)
				if v := m.Overview(); v.Held || v.HoldReason != "" {
					t.Errorf("held %t for %q", v.Held, v.HoldReason)
				}
				m.wantBlockers()
			})
		})
	}
}

// TestHoldLasts across a restart, and ends in time although nothing else
// happens.
func TestHoldLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := newMachine(t, e, within(t, policy.ModeInstall))
		m.start()
		wantError(t, m.Hold(t.Context(), "an exam", m.wall().Add(time.Hour)), nil)
		m.shutDown()
		m = boot(t, e, within(t, policy.ModeInstall), func(o *Options) { o.Rules.FirstCheck = 100 * time.Hour })
		m.wantBlockers(policy.BlockerHeld)
		pass(59 * time.Minute)
		m.wantBlockers(policy.BlockerHeld)
		pass(2 * time.Minute)
		m.wantBlockers()
		if m.Overview().Held {
			t.Error("still held")
		}
	})
}

// TestHoldDuringTheFetch keeps the update from being installed, unless a
// person asks for it.
func TestHoldDuringTheFetch(t *testing.T) {
	for _, joined := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e, slow := newEngine(t), make(chan struct{})
			e.holdAt[updater.StageFetching] = slow
			e.serve(offer(newer))
			m := boot(t, e, within(t, policy.ModeInstall))
			pass(20 * time.Minute)
			wantError(t, m.Hold(t.Context(), "an exam", time.Time{}), nil)
			want := updater.ResultFetched
			if joined {
				m.update(newer)
				want = updater.ResultInstalled
			}
			close(slow)
			synctest.Wait()
			m.wantResults(want)
			pass(5 * time.Hour)
			if !joined {
				m.wantUpdates(1)
			}
		})
	}
}

func TestHoldUnwritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.unwritable = errFull
		m := boot(t, e)
		wantError(t, m.Hold(t.Context(), "an exam", time.Time{}), errFull)
		if m.Overview().Held {
			t.Error("held, but not after a restart")
		}
	})
}

// TestPower: on battery an update is fetched and not installed.
func TestPower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sysfs := t.TempDir()
		battery := filepath.Join(sysfs, "class", "power_supply", "BAT0")
		if err := os.MkdirAll(battery, 0o755); err != nil {
			t.Fatal(err)
		}
		set := func(attribute, value string) {
			if err := os.WriteFile(filepath.Join(battery, attribute), []byte(value+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		set("type", "Battery")
		set("status", "Discharging")
		e := newEngine(t)
		e.serve(offer(newer))
		m := boot(t, e, within(t, policy.ModeInstall), func(o *Options) { o.Sysfs, o.Rules.RequireACPower = sysfs, true })
		pass(5 * time.Hour)
		m.wantResults(updater.ResultFetched)
		m.wantBlockers(policy.BlockerPower)
		set("status", "nonsense")
		pass(5 * time.Hour)
		m.wantUpdates(1)
		m.wantBlockers(policy.BlockerPower)
		set("status", "Charging")
		pass(lookInterval)
		m.wantResults(updater.ResultFetched, updater.ResultInstalled)
	})
}

// TestWhatIsWanted: only what a check by schedule has found, as long as it is
// offered and not there.
func TestWhatIsWanted(t *testing.T) {
	held := func(m *machine) {
		wantError(m.t, m.Hold(m.t.Context(), "an exam", time.Time{}), nil)
		m.engine.serve(offer(newer))
		pass(m.untilNext())
	}
	check := func(m *machine, answer func(context.Context) (updater.Check, error)) {
		m.engine.serve(answer)
		_, err := m.Check(m.t.Context())
		wantError(m.t, err, nil)
	}
	tests := []struct {
		name    string
		before  func(*machine)
		updates int // begun once nothing speaks against it
	}{
		{"found by schedule", func(*machine) {}, 1},
		{"seen again by a person", func(m *machine) { check(m, offer(newer)) }, 1},
		{"a person sees a newer one", func(m *machine) { check(m, offer(newest)) }, 0},
		{"a person sees that it was withdrawn", func(m *machine) { check(m, answers(nil)) }, 0},
		{"a person sees that it is refused now", func(m *machine) {
			check(m, func(context.Context) (updater.Check, error) {
				return updater.Check{Version: newer, Running: running}, nil
			})
		}, 0},
		{"the server cannot be reached", func(m *machine) {
			m.engine.serve(answers(updater.ErrNetworkUnavailable))
			_, err := m.Check(m.t.Context())
			wantError(m.t, err, updater.ErrNetworkUnavailable)
			pass(freshCheck)
		}, 0},
		{"installed by a person", func(m *machine) { m.update(newer) }, 1},
		{"another installed by a person", func(m *machine) { m.update(newest) }, 0},
		{"the configuration was read again", func(m *machine) { wantError(m.t, m.Reload(m.t.Context()), nil) }, 1},
		{"it turns up installed", func(m *machine) {
			m.engine.set(func() { m.engine.installed = pending(newer) })
			wantError(m.t, m.MarkBoot(m.t.Context(), true, ""), nil)
		}, 0},
		{"somebody goes back", func(m *machine) {
			m.engine.set(func() {
				m.engine.installed = append(m.engine.installed, fallback)
			})
			version, err := m.Rollback(m.t.Context(), "")
			if version != "4.9.0" || err != nil {
				m.t.Errorf("rolled back to %q, %v", version, err)
			}
		}, 1}, // fetched ahead, and not installed
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := boot(t, newEngine(t), within(t, policy.ModeInstall), reloads(nil, within(t, policy.ModeInstall)))
				held(m)
				test.before(m)
				wantError(t, m.Unhold(t.Context()), nil)
				synctest.Wait()
				m.wantUpdates(test.updates)
			})
		})
	}
}

// TestGoingBack: what somebody has chosen to start next is not overwritten
// before that, nor after a restart.
func TestGoingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.installed = append(e.installed, fallback)
		e.serve(offer(newer))
		m := newMachine(t, e, within(t, policy.ModeInstall))
		m.start()
		if version, err := m.Rollback(t.Context(), ""); version != "4.9.0" || err != nil {
			t.Errorf("rolled back to %q, %v", version, err)
		}
		pass(24 * time.Hour)
		m.shutDown()
		m = boot(t, e, within(t, policy.ModeInstall))
		pass(24 * time.Hour)
		m.wantResults(updater.ResultFetched)
		m.wantBlockers(policy.BlockerRollback)
		if m.Overview().Held {
			t.Error("nobody has said hold")
		}
		// By hand, as ever.
		m.update(newer)
		m.wantResults(updater.ResultFetched, updater.ResultInstalled)
	})
}
