// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

func TestCancel(t *testing.T) {
	for _, stage := range stages {
		for _, waiting := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, another waits for a reboot: %t", stage, waiting), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e, hold := newEngine(t), make(chan struct{})
					rest := updater.StateIdle
					if waiting {
						e.installed, rest = pending("5.0.9"), updater.StateRebootRequired
					}
					e.holdAt[stage] = hold
					m := boot(t, e)
					transaction := m.update(newer)
					final := stage == updater.StageSwapping || stage == updater.StageDone
					if m.Overview().Status.Cancelable == final {
						t.Errorf("cancelable: %t", !final)
					}
					wantError(t, m.Cancel(t.Context(), "another"), updater.ErrNoTransaction)
					m.wantState(updater.StateUpdating)
					if final {
						wantError(t, m.Cancel(t.Context(), transaction), updater.ErrNotCancelable)
						wantError(t, m.Cancel(t.Context(), ""), updater.ErrNotCancelable)
						close(hold)
						synctest.Wait()
						wantError(t, m.heard.outcome(t, transaction), nil)
						m.wantState(updater.StateRebootRequired)
					} else {
						wantError(t, m.Cancel(t.Context(), transaction), nil)
						synctest.Wait()
						wantError(t, m.heard.outcome(t, transaction), updater.ErrCancelled)
						m.wantState(rest)
						wantError(t, m.Overview().LastError, nil)
					}
					wantError(t, m.Cancel(t.Context(), transaction), updater.ErrNoTransaction)
					wantError(t, m.Cancel(t.Context(), ""), updater.ErrNoTransaction)
				})
			})
		}
	}
}

// TestCancelledAgainstTheSwap: whoever cancels at any moment is told what
// happens then.
func TestCancelledAgainstTheSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[error]int{}
		for range 2000 {
			e := newEngine(t)
			m := newMachine(t, e)
			m.start()
			transaction, err := m.Update(t.Context(), newer)
			wantError(t, err, nil)
			for range rand.IntN(200) {
				runtime.Gosched()
			}
			refused := m.Cancel(t.Context(), transaction)
			synctest.Wait()
			outcome := m.heard.outcome(t, transaction)
			if (refused == nil) != errors.Is(outcome, updater.ErrCancelled) {
				t.Errorf("Cancel says %v, the transaction ends with %v", refused, outcome)
			}
			if installed := m.Overview().RebootRequired; installed == (refused == nil) {
				t.Errorf("Cancel says %v, installed: %t", refused, installed)
			}
			seen[refused]++
			m.shutDown()
		}
		t.Log(seen)
	})
}

// stubborn is an engine whose update ends with an error of its own when it is
// cancelled: a killed tool does not say why it ended.
type stubborn struct {
	*fakeEngine
	err error
}

func (s stubborn) Update(ctx context.Context, q updater.Request) (updater.Outcome, error) {
	q.Report(updater.Status{Version: q.Version, Stage: updater.StageInstalling, Cancelable: true})
	<-ctx.Done()
	return updater.Outcome{}, s.err
}

func TestCancelledWhateverBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, killed := newEngine(t), errors.New("signal: killed")
		m := boot(t, e, func(o *Options) { o.Engine = stubborn{e, killed} })
		transaction := m.update(newer)
		wantError(t, m.Cancel(t.Context(), ""), nil)
		synctest.Wait()
		wantError(t, m.heard.outcome(t, transaction), updater.ErrCancelled)
		wantError(t, m.heard.outcome(t, transaction), killed)
		m.wantState(updater.StateIdle)
	})
}

// TestCancelAfterTheEnd: the update has failed, and what is installed is being
// read. Nothing is there to be cancelled any more.
func TestCancelAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, read := newEngine(t), make(chan struct{})
		e.failAt[updater.StageFetching] = updater.ErrNetworkUnavailable
		m := boot(t, e, func(o *Options) { o.Engine = &slowReader{fakeEngine: e, gate: read, skip: 2} })
		transaction := m.update(newer)
		m.wantState(updater.StateUpdating)
		wantError(t, m.Cancel(t.Context(), transaction), updater.ErrNoTransaction)
		close(read)
		synctest.Wait()
		wantError(t, m.heard.outcome(t, transaction), updater.ErrNetworkUnavailable)
		m.wantState(updater.StateFailed)
	})
}

// slowReader takes its time to read what is installed, but for the first few
// times.
type slowReader struct {
	*fakeEngine
	gate chan struct{}
	skip int
}

func (s *slowReader) Installed(ctx context.Context) ([]updater.Installed, error) {
	if s.skip--; s.skip < 0 {
		select {
		case <-s.gate:
		case <-ctx.Done():
		}
	}
	return s.fakeEngine.Installed(ctx)
}

// TestEverybodyAtOnce has callers do what they like, and then stops the
// daemon: no call hangs, and each transaction ends once, which the observer
// and the engine watch.
func TestEverybodyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		m := newMachine(t, e, func(o *Options) { o.Rules = rules(policy.ModeInstall) })
		m.start()
		var begun sync.Map
		var called atomic.Int32
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for range 300 {
					if called.Add(1) == 2000 {
						m.stop()
					}
					switch r := rand.IntN(6); r {
					case 0:
						m.Check(t.Context())
					case 1, 2, 3:
						transaction, err := m.Update(t.Context(), []string{"", newer, newest}[r-1])
						if err == nil {
							begun.Store(transaction, true)
						}
					case 4:
						m.Cancel(t.Context(), "")
					case 5:
						m.ListVersions(t.Context())
						m.Overview()
					}
				}
			})
		}
		callers.Wait()
		m.shutDown()
		begun.Range(func(transaction, _ any) bool {
			m.heard.outcome(t, transaction.(string))
			return true
		})
		if e.Record().Unfinished != nil {
			t.Errorf("%v was not struck off", e.Record().Unfinished)
		}
	})
}
