// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// TestJoinedFetch: whoever wants the version that is being fetched ahead gets
// it installed, in the same transaction while that is possible and else in
// another.
func TestJoinedFetch(t *testing.T) {
	tests := []struct {
		name    string
		stage   updater.Stage // "" once the fetch has ended and before that is known
		results []updater.Result
	}{
		{"checking", updater.StageChecking, []updater.Result{updater.ResultInstalled}},
		{"fetching", updater.StageFetching, []updater.Result{updater.ResultInstalled}},
		{"verifying", updater.StageVerifying, []updater.Result{updater.ResultInstalled}},
		{"too late", "", []updater.Result{updater.ResultFetched, updater.ResultInstalled}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, hold := newEngine(t), make(chan struct{})
				installedOnce(e)
				e.holdAt[test.stage] = hold
				m := boot(t, e, within(t, policy.ModeFetch), func(o *Options) {
					if test.stage == "" {
						o.Engine = &slowReader{fakeEngine: e, gate: hold, skip: 3}
					}
				})
				pass(m.untilNext())
				first := m.Overview().Transaction
				joined := make(chan string, 1)
				go func() {
					transaction, err := m.Update(t.Context(), newer)
					wantError(t, err, nil)
					joined <- transaction
				}()
				synctest.Wait()
				close(hold)
				synctest.Wait()
				second := <-joined
				if first == "" || (first == second) != (test.stage != "") {
					t.Errorf("transactions %q and %q", first, second)
				}
				wantError(t, m.heard.outcome(t, second), nil)
				m.wantResults(test.results...)
				m.wantState(updater.StateRebootRequired)
			})
		})
	}
}

// TestJoinAgainstTheEnd of a fetch: at whatever moment somebody joins, it is
// installed, and each transaction ends once.
func TestJoinAgainstTheEnd(t *testing.T) {
	seen := map[int]int{}
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			e, hold := newEngine(t), make(chan struct{})
			installedOnce(e)
			e.holdAt[updater.StageVerifying] = hold
			m := boot(t, e, within(t, policy.ModeFetch))
			pass(20 * time.Minute)
			go close(hold)
			m.update(newer)
			m.wantState(updater.StateRebootRequired)
			seen[len(m.heard.completed)]++
		})
	}
	t.Log(seen)
}

// TestFetchCancelled: also when everything was fetched by then.
func TestFetchCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e, within(t, policy.ModeFetch), func(o *Options) { o.Engine = quick{e} })
		e.serve(offer(newer))
		pass(20 * time.Minute)
		transaction := m.Overview().Transaction
		wantError(t, m.Cancel(t.Context(), transaction), nil)
		synctest.Wait()
		wantError(t, m.heard.outcome(t, transaction), updater.ErrCancelled)
		m.wantResults(updater.ResultCancelled)
	})
}

// quick is an engine that has fetched everything when it is cancelled.
type quick struct{ *fakeEngine }

func (q quick) Update(ctx context.Context, r updater.Request) (updater.Outcome, error) {
	<-ctx.Done()
	return updater.Outcome{Version: r.Version, Installed: r.Proceed()}, nil
}

// TestFetched is a success that needs no reboot.
func TestFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		m := boot(t, e, within(t, policy.ModeFetch))
		pass(20 * time.Minute)
		lines, _ := m.heard.told()
		wantLines(t, lines, "state idle", "state checking", "state idle", "available 5.1.0",
			"state updating", "stage checking", "stage fetching", "stage verifying",
			"state idle", "completed 5.1.0: <nil>")
		if v := m.Overview(); v.RebootRequired || v.AvailableVersion != newer || v.LastError != nil {
			t.Errorf("overview %+v", v)
		}
	})
}

func TestHistory(t *testing.T) {
	tests := []struct {
		name string
		run  func(*machine) string
		want updater.HistoryEntry
	}{
		{"installed", func(m *machine) string { return m.update(newer) }, updater.HistoryEntry{
			Version: newer, Result: updater.ResultInstalled, Bytes: fetchedBytes,
		}},
		{"failed", func(m *machine) string {
			m.engine.failAt[updater.StageFetching] = updater.ErrServer
			return m.update(newer)
		}, updater.HistoryEntry{
			Version: newer, Result: updater.ResultFailed, ErrorName: "name of it",
			Message: "cannot update to 5.1.0: " + updater.ErrServer.Error(),
		}},
		{"cancelled", func(m *machine) string {
			m.engine.holdAt[updater.StageFetching] = make(chan struct{})
			transaction := m.update(newer)
			wantError(m.t, m.Cancel(m.t.Context(), transaction), nil)
			synctest.Wait()
			return transaction
		}, updater.HistoryEntry{
			Version: newer, Result: updater.ResultCancelled, ErrorName: "name of it", Message: "cannot update to 5.1.0: cancelled",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := boot(t, newEngine(t), func(o *Options) { o.ErrorName = func(error) string { return "name of it" } })
				want := test.want
				want.Started, want.Finished, want.From = m.wall(), m.wall(), running
				want.Transaction = test.run(m)
				got, err := m.History(t.Context(), 0)
				if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
					t.Errorf("%v, history\n%+v, want\n%+v", err, got, want)
				}
			})
		})
	}
}

// TestHistoryIsBounded, newest first.
func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.failAt[updater.StageVerifying] = errors.New(strings.Repeat("é", 1000))
		m := boot(t, e)
		last := ""
		for range 110 {
			last = m.update(newer)
		}
		for limit, want := range map[int]int{0: 100, 1: 1, 7: 7, 1000: 100} {
			history, err := m.History(t.Context(), limit)
			if err != nil || len(history) != want || history[0].Transaction != last {
				t.Errorf("limit %d: %d entries, %v", limit, len(history), err)
			}
			if n := len([]rune(history[0].Message)); n > 500 {
				t.Errorf("a message of %d characters", n)
			}
		}
		m.shutDown()
		_, err := m.History(t.Context(), 0)
		wantError(t, err, updater.ErrCancelled)
	})
}

// TestHistoryOfACrash: the transaction is in it once, however often the daemon
// is started.
func TestHistoryOfACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		begun := time.Now().Round(0)
		e.record.Unfinished = &updater.Transaction{ID: "t1", Version: newer, Started: begun}
		pass(time.Hour)
		for range 3 {
			m := newMachine(t, e)
			m.start()
			m.wantResults(updater.ResultInterrupted)
			m.shutDown()
		}
		h := e.Record().History[0]
		if h.Transaction != "t1" || h.Version != newer || h.From != running || !h.Started.Equal(begun) || h.Finished.Sub(begun) != time.Hour {
			t.Errorf("history %+v", h)
		}
	})
}

// TestHistoryOnFullDisk: what cannot be written is shown all the same, and
// written once when that is possible, although the first attempt may have
// been written, too.
func TestHistoryOnFullDisk(t *testing.T) {
	for name, written := range map[string]bool{"not written": false, "written, and not flushed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, hold := newEngine(t), make(chan struct{})
				e.holdAt[updater.StageFetching] = hold
				m := boot(t, e, func(o *Options) { o.Engine = &unflushed{e, written} })
				m.update(newer)
				e.set(func() { e.unwritable = errFull })
				close(hold)
				synctest.Wait()
				m.wantResults(updater.ResultInstalled)
				e.set(func() { e.unwritable = nil })
				for range 2 {
					_, err := m.Check(t.Context())
					wantError(t, err, nil)
				}
				m.wantResults(updater.ResultInstalled)
				if got := len(e.Record().History); got != 1 {
					t.Errorf("%d entries", got)
				}
			})
		})
	}
}

// unflushed is an engine whose record may be written when Change has failed.
type unflushed struct {
	*fakeEngine
	written bool
}

func (u *unflushed) Change(change func(*updater.Record)) error {
	err := u.fakeEngine.Change(change)
	if err != nil && u.written {
		u.set(func() { change(&u.record) })
	}
	return err
}

// TestHistoryKnowsWhatWasCompleted: whoever hears of the end finds it there.
func TestHistoryKnowsWhatWasCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, newEngine(t))
		var asked sync.WaitGroup
		m.Attach(listener(func(e updater.Event) {
			if c, ok := e.(updater.CompletedEvent); ok {
				asked.Go(func() {
					history, err := m.History(t.Context(), 1)
					if err != nil || len(history) != 1 || history[0].Transaction != c.Transaction {
						t.Errorf("%v, history %v", err, history)
					}
				})
			}
		}))
		m.start()
		for range 100 {
			m.update(newer)
		}
		asked.Wait()
		m.shutDown()
	})
}

// listener is a publisher that hears events.
type listener func(updater.Event)

func (listener) Publish(updater.Overview) {}
func (l listener) Emit(e updater.Event)   { l(e) }

// TestRolledBack is told once, after how an update ended.
func TestRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.record.Unfinished = &updater.Transaction{ID: "t1", Version: newer}
		e.record.RolledBack = &updater.RolledBackEvent{From: newer, To: running}
		e.record.FailedVersions = []string{newer}
		for _, want := range [][]string{
			{"state failed", "completed 5.1.0: interrupted before it was finished", "rolled back from 5.1.0 to 5.0.0"},
			{"state idle"},
		} {
			m := newMachine(t, e)
			m.start()
			lines, _ := m.heard.told()
			wantLines(t, lines, want...)
			if got := m.Overview().FailedVersions; !slices.Equal(got, []string{newer}) {
				t.Errorf("failed versions %q", got)
			}
			m.shutDown()
		}
	})
}

// TestInhibitor is held from the first removal to the end of the swap.
func TestInhibitor(t *testing.T) {
	tests := []struct {
		name   string
		mode   policy.Mode
		failAt updater.Stage
		cancel bool
		err    error
		want   []string
	}{
		{name: "installed", mode: policy.ModeInstall, want: []string{"stage verifying", "inhibit", "stage installing", "stage swapping", "stage done", "release"}},
		{name: "only fetched", mode: policy.ModeFetch, want: []string{"stage verifying"}},
		{name: "fails before", mode: policy.ModeInstall, failAt: updater.StageVerifying, want: []string{"stage verifying"}},
		{name: "fails", mode: policy.ModeInstall, failAt: updater.StageInstalling, want: []string{"stage verifying", "inhibit", "stage installing", "release"}},
		{name: "cancelled", mode: policy.ModeInstall, cancel: true, want: []string{"stage verifying", "inhibit", "stage installing", "release"}},
		{name: "refused", mode: policy.ModeInstall, err: errors.New("no login1"), want: []string{"stage verifying", "inhibit", "stage installing", "stage swapping", "stage done"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				installedOnce(e)
				e.failAt[test.failAt] = errDisk
				if test.cancel {
					e.holdAt[updater.StageInstalling] = make(chan struct{})
				}
				m := newMachine(t, e, within(t, test.mode))
				note := func(line string) {
					time.Sleep(time.Millisecond) // for what was reported before
					m.heard.mu.Lock()
					defer m.heard.mu.Unlock()
					m.heard.lines = append(m.heard.lines, line)
				}
				m.Inhibit = func(_ context.Context, why string) (func(), error) {
					note("inhibit")
					if why != "Installing "+newer {
						t.Errorf("inhibited for %q", why)
					}
					return func() { note("release") }, test.err
				}
				m.start()
				defer m.shutDown()
				pass(11 * time.Minute)
				if test.cancel {
					wantError(t, m.Cancel(t.Context(), ""), nil)
				}
				pass(time.Minute)
				lines, _ := m.heard.told()
				begin := slices.Index(lines, "stage verifying")
				lines = slices.DeleteFunc(lines[max(0, begin):], func(l string) bool {
					return !strings.HasPrefix(l, "stage ") && l != "inhibit" && l != "release"
				})
				wantLines(t, lines, test.want...)
			})
		})
	}
}

// TestChoresAndWatchdog: a chore that hangs gets the daemon restarted.
func TestChoresAndWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e, withWatchdog, func(o *Options) { o.Rules.FirstCheck = 100 * time.Hour })
		e.holdChores = make(chan struct{})
		go m.MarkBoot(t.Context(), true, "")
		pass(jobSilence - watchdogInterval)
		if m.fed() == 0 {
			t.Error("not fed at once")
		}
		pass(2 * watchdogInterval)
		m.fed()
		pass(10 * watchdogInterval)
		if n := m.fed(); n != 0 {
			t.Errorf("fed %d times", n)
		}
	})
}

// TestConcurrentSurprises has everybody do everything, with a reload now and
// then, and looks for what does not fit in the end.
func TestConcurrentSurprises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		e.installed = append(e.installed, updater.Installed{Version: "4.9.0", State: updater.InstalledFallback})
		m := newMachine(t, e, within(t, policy.ModeInstall), reloads(nil, within(t, policy.ModeFetch)))
		m.start()
		ctx := t.Context()
		var callers sync.WaitGroup
		for n := range 6 {
			callers.Go(func() {
				for i := range 100 {
					short, cancel := context.WithTimeout(ctx, time.Duration(i)*time.Millisecond)
					switch (n + i) % 9 {
					case 0:
						m.Rollback(short, "")
					case 1:
						m.MarkBoot(short, i%2 == 0, "")
					case 2:
						m.ForgetFailure(short, running)
					case 3:
						m.Reload(short)
					case 4:
						m.Hold(short, fmt.Sprint(n), time.Now().Add(time.Second))
					case 5:
						m.Plan(short, newer)
					case 6:
						m.Update(short, newer)
					case 7:
						m.Check(short)
					case 8:
						m.ReloadForManager(short)
					}
					cancel()
				}
			})
		}
		callers.Wait()
		m.shutDown()
		var ids []string
		for _, h := range e.Record().History {
			if slices.Contains(ids, h.Transaction) {
				t.Errorf("%s is twice in the history", h.Transaction)
			}
			ids = append(ids, h.Transaction)
		}
		for _, id := range ids {
			m.heard.outcome(t, id)
		}
	})
}
