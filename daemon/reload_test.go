// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// reloads has the configuration say the same engine and other rules, or be
// invalid.
func reloads(invalid error, change func(*Options)) func(*Options) {
	return func(o *Options) {
		engine := o.Engine
		o.ReadAgain = func() (Engine, policy.Rules, error) {
			if invalid != nil {
				return nil, policy.Rules{}, invalid
			}
			var now Options
			change(&now)
			return engine, now.Rules, nil
		}
	}
}

func TestReload(t *testing.T) {
	invalid := fmt.Errorf("%w: os_name has changed", updater.ErrConfigInvalid)
	for _, test := range []struct {
		name    string
		invalid error
		updates int
		stale   bool
	}{{"valid", nil, 1, true}, {"invalid", invalid, 0, false}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.serve(offer(newer))
				other := func(o *Options) {
					within(t, policy.ModeInstall)(o)
					o.Rules.Interval, o.Rules.StaleAfter = 10*time.Hour, time.Second
				}
				m := boot(t, e, within(t, policy.ModeCheck), reloads(test.invalid, other))
				pass(m.untilNext())
				pass(time.Minute)
				m.wantUpdates(0)
				wantError(t, m.Reload(t.Context()), test.invalid)
				synctest.Wait()
				m.wantUpdates(test.updates)
				m.wantNext(map[bool]time.Duration{true: 10 * time.Hour, false: time.Hour}[test.invalid == nil])
				pass(clockInterval)
				if got := m.Overview().Stale; got != test.stale {
					t.Errorf("stale: %t", got)
				}
			})
		})
	}
}

// TestReloadedEngine: what is installed is read by the new configuration, and
// the server of the new one is asked.
func TestReloadedEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, other := newEngine(t), newEngine(t)
		e.serve(offer(newest))
		other.serve(offer(newer))
		other.installed = pending("5.0.9")
		m := boot(t, e, func(o *Options) {
			o.ReadAgain = func() (Engine, policy.Rules, error) { return other, o.Rules, nil }
		})
		_, err := m.Check(t.Context())
		wantError(t, err, nil)
		wantError(t, m.Reload(t.Context()), nil)
		if got := m.Overview().PendingVersion; got != "5.0.9" {
			t.Errorf("pending %q", got)
		}
		m.heard.engine = other
		m.update("")
		if other.count("update "+newer) != 1 {
			t.Errorf("calls %q", other.calls)
		}
	})
}

// TestReloadForManager in the order that sd_notify(3) wants.
func TestReloadForManager(t *testing.T) {
	for _, invalid := range []error{nil, updater.ErrConfigInvalid} {
		t.Run(fmt.Sprint(invalid), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.holdAt[updater.StageFetching] = make(chan struct{})
				m := boot(t, e, reloads(invalid, within(t, policy.ModeInstall)))
				ready := m.Options.Notify
				m.Notify = func(state string) error {
					if state == "READY=1" && (invalid == nil) != (len(m.Overview().Blockers) == 0) {
						t.Errorf("ready before it is: blocked by %v", m.Overview().Blockers)
					}
					return ready(state)
				}
				m.update(newer)
				m.heard.told()
				reloaded := make(chan bool)
				go func() { defer close(reloaded); m.ReloadForManager(t.Context()) }()
				synctest.Wait()
				if _, states := m.heard.told(); len(states) != 0 {
					t.Errorf("told %q while an update runs", states)
				}
				close(e.holdAt[updater.StageFetching])
				<-reloaded
				_, states := m.heard.told()
				for len(states) > 0 && strings.HasPrefix(states[0], "STATUS=") {
					states = states[1:] // of the update
				}
				if len(states) != 2 || !strings.HasPrefix(states[0], "RELOADING=1\nMONOTONIC_USEC=") ||
					strings.HasSuffix(states[0], "=0") || states[1] != "READY=1" {
					t.Errorf("told %q", states)
				}
			})
		})
	}
}

// TestReloadIsStopped: a service manager that was told STOPPING=1 hears no
// READY=1.
func TestReloadIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading := make(chan struct{})
		m := newMachine(t, newEngine(t), func(o *Options) {
			o.ReadAgain = func() (Engine, policy.Rules, error) { <-reading; return o.Engine, o.Rules, nil }
		})
		m.start()
		m.heard.told()
		// As main does: both end with the signal.
		ctx, cancel := context.WithCancel(t.Context())
		reloaded := make(chan bool)
		go func() { defer close(reloaded); m.ReloadForManager(ctx) }()
		synctest.Wait()
		cancel()
		m.stop()
		<-reloaded
		synctest.Wait()
		close(reading)
		m.shutDown()
		_, states := m.heard.told()
		if len(states) != 2 || !strings.HasPrefix(states[0], "RELOADING=1") || states[1] != "STOPPING=1\nSTATUS=stopping" {
			t.Errorf("told %q", states)
		}
	})
}

// TestReloadUnread: a configuration whose disk cannot be read is a valid one.
func TestReloadUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.installed = pending(newer)
		m := boot(t, e, reloads(nil, within(t, policy.ModeInstall)))
		e.set(func() { e.readError = errDisk })
		wantError(t, m.Reload(t.Context()), nil)
		m.wantBlockers()
		if got := m.Overview().PendingVersion; got != newer {
			t.Errorf("pending %q: what was known stays known", got)
		}
		e.set(func() { e.readError = nil })
	})
}

// TestReloadDoesNotForget what failed, and when.
func TestReloadDoesNotForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.failAt[updater.StageVerifying] = updater.ErrContentMismatch
		e.serve(offer(newer))
		m := boot(t, e, within(t, policy.ModeInstall), reloads(nil, within(t, policy.ModeInstall)))
		pass(20 * time.Minute)
		m.wantBlockers(policy.BlockerRetryLater)
		for range 10 {
			wantError(t, m.Reload(t.Context()), nil)
			pass(time.Minute)
		}
		m.wantUpdates(1)
		if err := m.Overview().LastError; !errors.Is(err, updater.ErrContentMismatch) {
			t.Errorf("last error %v", err)
		}
	})
}
