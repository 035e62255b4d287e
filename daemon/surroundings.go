// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/clipos/updater/daemon/internal/power"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

const (
	// lookInterval is how often the surroundings are looked at.
	lookInterval = time.Minute
	// lookLimit bounds one look.
	lookLimit = 5 * time.Second
)

// surroundings are what of the machine's state automatic work depends on.
type surroundings struct {
	onBattery    bool
	powerError   error
	metered      bool
	meteredError error
}

func (d *Daemon) lookAround(ctx context.Context) surroundings {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var s surroundings
	if d.Sysfs != "" {
		s.onBattery, s.powerError = power.OnBattery(d.Sysfs)
	}
	if d.Metered != nil {
		s.metered, s.meteredError = d.Metered(ctx)
	}
	return s
}

// watchSurroundings looks around now and then, and when asked to. It runs
// beside the loop, which must not wait for anybody.
func (d *Daemon) watchSurroundings(ctx context.Context) {
	poll := time.NewTicker(lookInterval)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
		case <-d.look:
		case <-ctx.Done():
			return
		}
		select {
		case d.seen <- d.lookAround(ctx):
		case <-ctx.Done():
			return
		}
	}
}

// lookSoon asks for a look at the surroundings; what follows from it is done
// then.
func (d *Daemon) lookSoon() {
	select {
	case d.look <- struct{}{}:
	default: // asked for already
	}
}

// conditions are what the rules are held against now.
func (d *Daemon) conditions() policy.Conditions {
	record := d.system().Record()
	c := policy.Conditions{
		Now:          d.wall(),
		OnBattery:    d.around.onBattery,
		PowerError:   d.around.powerError,
		Metered:      d.around.metered,
		MeteredError: d.around.meteredError,
		Unconfirmed:  d.isUnconfirmed(),
	}
	if record.Hold.Holds(c.Now) {
		c.Held, c.HoldReason, c.HeldUntil = true, record.Hold.Reason, record.Hold.Until
	}
	if d.failures > 0 {
		c.RetryAt, c.LastFailure = d.schedule.RetryAt(d.failed, d.failures), d.failedWhy
	}
	if d.offer.FailedBefore && slices.Contains(d.view.FailedVersions, d.offer.Version) {
		c.FailedVersion = d.offer.Version
	}
	return c
}

// blockers are why nothing is installed by itself now: what the rules say, and
// that somebody has chosen to go back to an older version, which an update
// would overwrite before it was ever started.
func (d *Daemon) blockers(c policy.Conditions) []policy.Blocker {
	blockers := d.Rules.Blockers(c)
	if back := d.view.PendingVersion; back != "" && !d.isNewer(back) {
		blockers = append(blockers, policy.Blocker{
			Code: policy.BlockerRollback, Text: "rolled back to " + back + ", which waits for a reboot",
		})
	}
	return blockers
}

// isUnconfirmed tells that the running version has not come up yet, or that its
// boots are still counted: it may yet turn out bad, and an update would
// overwrite what the machine would go back to, if there is such a version.
func (d *Daemon) isUnconfirmed() bool {
	if !d.canFallBack() {
		return false
	}
	if !d.cameUp {
		return true
	}
	for _, i := range d.installed {
		if i.State == updater.InstalledRunning {
			return i.TriesLeft >= 0
		}
	}
	return false
}

// canFallBack tells that there is a version to go back to, one that somebody has
// chosen to start next included; also while that is not known.
func (d *Daemon) canFallBack() bool {
	return len(d.installed) == 0 || slices.ContainsFunc(d.installed, func(i updater.Installed) bool {
		return i.State == updater.InstalledFallback || i.State == updater.InstalledPending && !d.isNewer(i.Version)
	})
}

// giveWay stops what the schedule fetches, once the network has come to cost by
// volume. What cannot be told now could be told when it began, and stops
// nothing; neither does anything stop what somebody waits for, or what needs
// the network no more.
func (d *Daemon) giveWay() {
	costs := d.around.metered && d.around.meteredError == nil && !d.Rules.AllowMetered
	if !costs || d.job == nil || !d.job.isUpdate() {
		return
	}
	stage := d.view.Status.Stage
	if (stage == updater.StageChecking || stage == updater.StageFetching) && d.job.giveWay() {
		d.Log.Info("the network is metered, the update goes on later", "version", d.job.version, "transaction", d.job.transaction)
	}
}
