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

// TestMetered: nothing is fetched as long as that costs, or might.
func TestMetered(t *testing.T) {
	for name, answer := range map[string]struct {
		metered bool
		err     error
	}{"costs": {metered: true}, "cannot be told": {err: errors.New("no answer")}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.serve(offer(newer))
				metered, err := answer.metered, answer.err
				m := boot(t, e, within(t, policy.ModeInstall), func(o *Options) {
					o.Metered = func(context.Context) (bool, error) { e.mu.Lock(); defer e.mu.Unlock(); return metered, err }
				})
				pass(10 * time.Hour)
				m.wantUpdates(0)
				m.wantBlockers(policy.BlockerMetered)
				m.wantState(updater.StateIdle)
				e.set(func() { metered, err = false, nil })
				pass(lookInterval)
				m.wantUpdates(1)
			})
		})
	}
}

// TestSilentNetworkManager: the loop does not wait for its answer.
func TestSilentNetworkManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, newEngine(t), func(o *Options) {
			o.Metered = func(ctx context.Context) (bool, error) { <-ctx.Done(); return false, ctx.Err() }
		})
		pass(lookLimit)
		for range 120 {
			pass(time.Second)
			before := time.Now()
			if _, err := m.Check(t.Context()); err != nil || time.Since(before) != 0 {
				t.Fatalf("a check takes %s: %v", time.Since(before), err)
			}
		}
	})
}

// TestMeteredDuringTheFetch stops what the schedule fetches, which goes on once
// the network costs no more. What a person waits for, and what is fetched
// already, goes on.
func TestMeteredDuringTheFetch(t *testing.T) {
	tests := []struct {
		name    string
		stage   updater.Stage
		err     error // of the answer
		before  func(*machine)
		change  func(*Options)
		stopped bool
	}{
		{"by schedule", updater.StageFetching, nil, nil, nil, true},
		{"before the first byte", updater.StageChecking, nil, nil, nil, true},
		{"joined by a person", updater.StageFetching, nil, func(m *machine) { m.update(newer) }, nil, false},
		{"allowed", updater.StageFetching, nil, nil, func(o *Options) { o.Rules.AllowMetered = true }, false},
		{"cannot be told", updater.StageFetching, errors.New("no answer"), nil, nil, false},
		{"fetched", updater.StageVerifying, nil, nil, nil, false},
		{"being installed", updater.StageInstalling, nil, nil, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, slow := newEngine(t), make(chan struct{})
				installedOnce(e)
				e.holdAt[test.stage] = slow
				costs := false
				m := boot(t, e, within(t, policy.ModeInstall), func(o *Options) {
					o.Metered = func(context.Context) (bool, error) {
						e.mu.Lock()
						defer e.mu.Unlock()
						if costs && test.err != nil {
							return false, test.err
						}
						return costs, nil
					}
					if test.change != nil {
						test.change(o)
					}
				})
				pass(12 * time.Minute)
				m.wantUpdates(1)
				if test.before != nil {
					test.before(m)
				}
				e.set(func() { costs = true })
				pass(lookInterval)
				if !test.stopped {
					m.wantState(updater.StateUpdating)
					close(slow)
					synctest.Wait()
					return
				}
				m.wantResults(updater.ResultCancelled)
				m.wantState(updater.StateIdle)
				m.wantBlockers(policy.BlockerMetered)
				pass(3 * time.Hour)
				m.wantUpdates(1)
				e.set(func() { costs = false })
				close(slow)
				pass(lookInterval)
				m.wantResults(updater.ResultCancelled, updater.ResultInstalled)
			})
		})
	}
}

// TestMeteredByHand: whoever asks for an update pays for it.
func TestMeteredByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, slow := newEngine(t), make(chan struct{})
		e.holdAt[updater.StageFetching] = slow
		m := boot(t, e, within(t, policy.ModeInstall), func(o *Options) {
			o.Metered = func(context.Context) (bool, error) { return true, nil }
		})
		m.update(newer)
		pass(10 * lookInterval)
		m.wantState(updater.StateUpdating)
		close(slow)
		synctest.Wait()
		m.wantResults(updater.ResultInstalled)
	})
}

// TestWantedAfterItGaveWay: an update that gives way is not joined any more.
func TestWantedAfterItGaveWay(t *testing.T) {
	j := &job{version: newer, transaction: "t1", cancel: func() {}}
	if !j.giveWay() || j.giveWay() {
		t.Error("it gives way once")
	}
	if transaction, err := j.join(newer); transaction != "" || err != nil {
		t.Errorf("joined %q, %v", transaction, err)
	}
	if j.proceed(true) {
		t.Error("installed all the same")
	}
}
