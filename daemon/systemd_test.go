// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// fed is how often the watchdog was fed since it was last asked.
func (m *machine) fed() (n int) {
	_, states := m.heard.told()
	for _, s := range states {
		if s == "WATCHDOG=1" {
			n++
		}
	}
	return n
}

const watchdogInterval = 3 * time.Minute

func withWatchdog(o *Options) { o.WatchdogInterval = watchdogInterval }

func TestWatchdog(t *testing.T) {
	jobs := map[string]func(*machine, chan struct{}){
		"idle": func(*machine, chan struct{}) {},
		"a check that waits for the server": func(m *machine, answer chan struct{}) {
			m.engine.serve(silent(answer, answers(nil)))
			go m.Check(m.t.Context())
		},
		"an update that waits for the server": func(m *machine, answer chan struct{}) {
			m.engine.holdAt[updater.StageFetching] = answer
			m.update(newer)
		},
	}
	for name, begin := range jobs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := boot(t, newEngine(t), withWatchdog, func(o *Options) { o.Rules.FirstCheck = 100 * time.Hour })
				answer := make(chan struct{})
				begin(m, answer)
				synctest.Wait()
				m.heard.told()
				for range int(jobSilence / watchdogInterval) {
					pass(watchdogInterval)
					if n := m.fed(); n != 2 {
						t.Fatalf("fed %d times in an interval, want 2", n)
					}
				}
				pass(watchdogInterval)
				m.fed()
				// By now a job that was silent for so long hangs.
				pass(10 * watchdogInterval)
				if n := m.fed(); (n == 0) == (name == "idle") {
					t.Errorf("fed %d times", n)
				}
				close(answer)
				synctest.Wait()
				pass(watchdogInterval)
				if n := m.fed(); n != 2 {
					t.Errorf("fed %d times after the job's end, want 2", n)
				}
			})
		})
	}
}

// TestWatchdogHearsTheJob: an update that takes long but moves is no reason to
// start anew.
func TestWatchdogHearsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e, withWatchdog, func(o *Options) { o.Engine = crawler{e} })
		m.update(newer)
		m.heard.told()
		for range 100 {
			pass(watchdogInterval)
			if n := m.fed(); n != 2 {
				t.Fatalf("fed %d times in an interval, want 2", n)
			}
		}
		m.wantState(updater.StateUpdating)
	})
}

// crawler is an engine whose update takes for ever, and says so now and then.
type crawler struct{ *fakeEngine }

func (c crawler) Update(ctx context.Context, q updater.Request) (updater.Outcome, error) {
	for {
		q.Report(updater.Status{Version: q.Version, Stage: updater.StageFetching, Cancelable: true})
		select {
		case <-time.After(jobSilence - time.Second):
		case <-ctx.Done():
			return updater.Outcome{}, updater.ErrCancelled
		}
	}
}

func TestNoWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, newEngine(t))
		pass(time.Hour)
		if n := m.fed(); n != 0 {
			t.Errorf("fed %d times without a watchdog", n)
		}
	})
}

// TestStatus is what systemctl status shows on the way.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		m := boot(t, e, func(o *Options) { o.Rules = rules(policy.ModeInstall) })
		pass(m.untilNext())
		_, states := m.heard.told()
		wantLines(t, states,
			"STATUS=not checked yet", "READY=1",
			"STATUS=checking for an update", "STATUS=5.1.0 is available",
			"STATUS=checking 5.1.0", "STATUS=fetching 5.1.0", "STATUS=verifying 5.1.0", "STATUS=installing 5.1.0",
			"STATUS=swapping 5.1.0", "STATUS=done 5.1.0", "STATUS=5.1.0 is installed, reboot to use it")
	})
}

// TestStatusMoves once a second and not with every report.
func TestStatusMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := boot(t, e, func(o *Options) { o.Engine = downloader{e} })
		m.heard.told()
		m.update(newer)
		pass(9950 * time.Millisecond)
		_, states := m.heard.told()
		if n := len(states); n < 10 || n > 12 {
			t.Errorf("%d states in ten seconds: %q", n, states)
		}
		if got := states[len(states)-1]; got != "STATUS=fetching 5.1.0: 9 %, 12.3 MB/s" {
			t.Errorf("the last is %q", got)
		}
	})
}

// downloader is an engine that downloads a thousand bytes, ten a second.
type downloader struct{ *fakeEngine }

func (d downloader) Update(ctx context.Context, q updater.Request) (updater.Outcome, error) {
	s := updater.Status{Version: q.Version, Stage: updater.StageFetching, BytesTotal: 1000, BytesPerSecond: 12_300_000, Cancelable: true}
	for ; s.BytesDone < s.BytesTotal && ctx.Err() == nil; s.BytesDone++ {
		q.Report(s)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return updater.Outcome{}, updater.ErrCancelled
}

// TestStatusIsOneLine: an error's text must not become a variable of its own,
// which could tell systemd anything.
func TestStatusIsOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(answers(errors.Join(errors.New("first"), errors.New("MAINPID=1\r\x1b[2J\xff"+strings.Repeat("é", 1000)))))
		m := boot(t, e)
		m.Check(t.Context())
		_, states := m.heard.told()
		last := states[len(states)-1]
		if want := "STATUS=first MAINPID=1  [2J\uFFFDéé"; !strings.HasPrefix(last, want) {
			t.Errorf("%q, want %q…", last, want)
		}
		if n := len([]rune(last)); n > maxStatusRunes+10 {
			t.Errorf("%d characters", n)
		}
	})
}

// TestDeafServiceManager: that it cannot be told how things stand ends nothing.
func TestDeafServiceManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, newEngine(t), withWatchdog, func(o *Options) {
			o.Notify = func(state string) error {
				if state == "READY=1" {
					return nil
				}
				return errors.New("nobody listens")
			}
		})
		m.start()
		wantError(t, m.heard.outcome(t, m.update(newer)), nil)
		pass(time.Hour)
		m.shutDown()
	})
}
