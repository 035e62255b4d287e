// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// TestOfferFromBefore: what the record says was available at start, and what
// is no offer although it says so. Nothing comes of it before the server has
// said the same.
func TestOfferFromBefore(t *testing.T) {
	tests := []struct {
		name      string
		prepare   func(*fakeEngine)
		available string
		answer    func(context.Context) (updater.Check, error)
		updates   int
	}{
		{"still there", func(*fakeEngine) {}, newer, offer(newer), 1},
		{"withdrawn", func(*fakeEngine) {}, newer, answers(nil), 0},
		{"the server does not answer", func(*fakeEngine) {}, newer, answers(updater.ErrNetworkUnavailable), 0},
		{"came up and was left", func(e *fakeEngine) {
			e.installed = append(e.installed, updater.Installed{Version: newer, State: updater.InstalledFallback})
		}, "", answers(updater.ErrNetworkUnavailable), 0},
		{"did not come up", func(e *fakeEngine) { e.record.FailedVersions = []string{newer} }, "", answers(updater.ErrNetworkUnavailable), 0},
		{"did not come up, as its counter says", func(e *fakeEngine) {
			e.installed = append(e.installed, updater.Installed{Version: newer, State: updater.InstalledFailed})
		}, "", answers(updater.ErrNetworkUnavailable), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.record.AvailableVersion = newer
				test.prepare(e)
				m := boot(t, e, within(t, policy.ModeInstall))
				if got := m.Overview().AvailableVersion; got != test.available {
					t.Errorf("available %q, want %q", got, test.available)
				}
				pass(9 * time.Minute)
				m.wantChecks(0) // a machine that starts has other things to do
				m.wantUpdates(0)
				e.serve(test.answer)
				pass(3 * time.Minute)
				m.wantChecks(1)
				m.wantUpdates(test.updates)
			})
		})
	}
}

// TestWithdrawnWhileOff: two weeks later, on a machine whose share of the
// fleet's first check is not the very first moment.
func TestWithdrawnWhileOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.record.AvailableVersion = newer
		e.record.LastCheck = time.Now().Add(-14 * 24 * time.Hour)
		e.record.LastSuccess = e.record.LastCheck
		m := boot(t, e, daily(t), func(o *Options) { o.MachineID = "0123456789abcdef0123456789abcdef" })
		first := m.untilNext()
		pass(first - time.Second)
		m.wantChecks(0) // a fleet that is switched on together does not ask together
		pass(time.Hour)
		m.wantChecks(1)
		m.wantUpdates(0)
		if got := m.Overview().AvailableVersion; got != "" {
			t.Errorf("available %q", got)
		}
	})
}

// TestRestartedBetweenChecks: what was found is not forgotten although the next
// check is far, and is asked about all the same.
func TestRestartedBetweenChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.record.AvailableVersion = newer
		e.record.LastCheck = time.Now().Add(-time.Hour)
		e.serve(offer(newer))
		m := boot(t, e, daily(t))
		pass(12 * time.Minute)
		m.wantChecks(1)
		m.wantResults(updater.ResultInstalled)
	})
}

// nightly is a window from 22 to 23 o'clock, with one check a day, which is in
// the first minutes of the day.
func nightly(t *testing.T) func(*Options) {
	t.Helper()
	return func(o *Options) {
		within(t, policy.ModeInstall, "22:00-23:00 UTC")(o)
		o.Rules.Interval = 24 * time.Hour
	}
}

// TestWithdrawnBeforeTheWindow: found and fetched in the morning, and another
// answer when the window opens.
func TestWithdrawnBeforeTheWindow(t *testing.T) {
	for name, test := range map[string]struct {
		answer  func(context.Context) (updater.Check, error)
		results []updater.Result
	}{
		"still there":    {offer(newer), []updater.Result{updater.ResultFetched, updater.ResultInstalled}},
		"withdrawn":      {answers(nil), []updater.Result{updater.ResultFetched}},
		"a newer one":    {offer(newest), []updater.Result{updater.ResultFetched, updater.ResultInstalled}},
		"cannot be told": {answers(updater.ErrSignatureInvalid), []updater.Result{updater.ResultFetched}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.serve(offer(newer))
				m := boot(t, e, nightly(t))
				pass(21*time.Hour + 59*time.Minute)
				m.wantChecks(1)
				e.serve(test.answer)
				pass(3 * time.Minute)
				m.wantChecks(2)
				m.wantResults(test.results...)
				if got, want := e.count("update "+newest), len(test.results)-1; name == "a newer one" && got != want {
					t.Errorf("%d updates to the newer one", got)
				}
			})
		})
	}
}

// TestNoAnswerInTheWindow: the server is asked as after any check that failed,
// and what is wanted is installed once it answers, on a full disk later.
func TestNoAnswerInTheWindow(t *testing.T) {
	for name, full := range map[string]bool{"recorded": false, "on a full disk": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.serve(offer(newer))
				m := boot(t, e, nightly(t))
				pass(21*time.Hour + 59*time.Minute)
				m.wantResults(updater.ResultFetched)
				e.serve(answers(updater.ErrNetworkUnavailable))
				if full {
					e.set(func() { e.unwritable = errFull })
				}
				pass(30 * time.Minute)
				m.wantUpdates(1)
				if full {
					m.wantChecks(2)
					e.set(func() { e.unwritable = nil })
					return
				}
				m.wantChecks(4) // at 0, 5 and 15 minutes
				e.serve(offer(newer))
				pass(10 * time.Minute)
				m.wantChecks(5)
				m.wantResults(updater.ResultFetched, updater.ResultInstalled)
			})
		})
	}
}

// TestRefusedInTheWindow: that the machine itself is not ready when the server
// has answered is a failed attempt like any other.
func TestRefusedInTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		m := boot(t, e, nightly(t))
		pass(21*time.Hour + 59*time.Minute)
		e.serve(answers(updater.ErrVolumeInUse))
		pass(10 * time.Minute)
		m.wantChecks(3)
		m.wantBlockers(policy.BlockerRetryLater)
		e.serve(offer(newer))
		pass(10 * time.Minute)
		m.wantResults(updater.ResultFetched, updater.ResultInstalled)
	})
}

// TestAskedOnlyBeforeAct: what is not allowed to be done is not asked for either.
func TestAskedOnlyBeforeAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.serve(offer(newer))
		m := boot(t, e, daily(t), func(o *Options) { o.Rules.Mode = policy.ModeFetch })
		pass(20 * time.Hour)
		m.wantChecks(1)
		m.wantResults(updater.ResultFetched)
		m.wantBlockers(policy.BlockerMode)
	})
}
