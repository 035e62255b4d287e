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

// fallback is what a machine has besides the version that runs.
var fallback = updater.Installed{Version: "4.9.0", State: updater.InstalledFallback, TriesLeft: -1, TriesDone: -1}

// TestUnconfirmed: as long as the running version may turn out bad, what it
// would fall back to is not overwritten.
func TestUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.installed[0].TriesLeft = 2
		e.installed = append(e.installed, fallback)
		e.serve(offer(newer))
		m := boot(t, e, within(t, policy.ModeInstall))
		pass(5 * time.Hour)
		m.wantResults(updater.ResultFetched)
		m.wantBlockers(policy.BlockerNotConfirmed)
		wantError(t, m.MarkBoot(t.Context(), true, "looks good"), nil)
		synctest.Wait()
		m.wantResults(updater.ResultFetched, updater.ResultInstalled)
	})
}

// TestUnconfirmedUntilTheBoot is complete and the counter gone.
func TestUnconfirmedUntilTheBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.installed[0].TriesLeft = 2
		e.installed = append(e.installed, fallback)
		complete := false
		m := boot(t, e, within(t, policy.ModeInstall), func(o *Options) {
			o.BootComplete = func(context.Context) (bool, error) { e.mu.Lock(); defer e.mu.Unlock(); return complete, nil }
		})
		m.wantBlockers(policy.BlockerNotConfirmed)
		e.set(func() { e.installed[0].TriesLeft, complete = -1, true })
		pass(bootPollInterval)
		m.wantBlockers()
	})
}

// TestUnconfirmedWithoutCounter: a system that is still coming up is not known
// to be good. A person may install all the same.
func TestUnconfirmedWithoutCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.installed = append(e.installed, fallback)
		e.serve(offer(newer))
		complete := false
		m := boot(t, e, within(t, policy.ModeInstall), func(o *Options) {
			o.BootComplete = func(context.Context) (bool, error) { e.mu.Lock(); defer e.mu.Unlock(); return complete, nil }
		})
		pass(5 * time.Hour)
		m.wantBlockers(policy.BlockerNotConfirmed)
		m.wantResults(updater.ResultFetched)
		e.set(func() { complete = true })
		pass(bootPollInterval)
		m.wantBlockers()
		m.wantResults(updater.ResultFetched, updater.ResultInstalled)
	})
}

// TestNothingToFallBackTo: then an update overwrites nothing that a machine
// could go back to, and may well be what leads out of a bad version.
func TestNothingToFallBackTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.installed[0].TriesLeft = 2
		e.serve(offer(newer))
		m := boot(t, e, within(t, policy.ModeInstall), func(o *Options) {
			o.BootComplete = func(context.Context) (bool, error) { return false, nil }
		})
		m.wantBlockers()
		pass(12 * time.Minute)
		m.wantResults(updater.ResultInstalled)
	})
}

// TestUnconfirmedUnread: what is not known may be there.
func TestUnconfirmedUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.installed, e.readError = nil, errDisk
		m := boot(t, e, within(t, policy.ModeInstall), func(o *Options) {
			o.BootComplete = func(context.Context) (bool, error) { return false, nil }
		})
		m.wantBlockers(policy.BlockerNotConfirmed)
	})
}
