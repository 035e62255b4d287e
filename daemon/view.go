// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"errors"
	"slices"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

func (d *Daemon) publish() {
	d.view.Stale = d.isStale()
	c := d.conditions()
	d.view.Held, d.view.HoldReason = c.Held, c.HoldReason
	d.view.Blockers = d.blockers(c)
	view := d.view
	d.published.Store(&view)
	for _, p := range d.publishers {
		p.Publish(view)
	}
}

func (d *Daemon) emit(e updater.Event) {
	for _, p := range d.publishers {
		p.Emit(e)
	}
}

// rest publishes what is known while no job runs.
func (d *Daemon) rest() {
	record := d.system().Record()
	d.view.FailedVersions = record.Failed(d.installed)
	d.view.LastCheck, d.view.LastSuccess = record.LastCheck, record.LastSuccess
	d.view.State = d.restingState()
	d.plan()
	d.publish()
	d.notifyStatus(d.restingLine())
}

func (d *Daemon) restingState() updater.State {
	switch {
	case d.view.LastError != nil:
		return updater.StateFailed
	case d.view.RebootRequired:
		return updater.StateRebootRequired
	}
	return updater.StateIdle
}

// failure is what of a job's error is the daemon's last error. That somebody
// cancelled it, or that there was nothing to do, is no failure.
func failure(err error) error {
	if errors.Is(err, updater.ErrCancelled) || errors.Is(err, updater.ErrNoUpdate) {
		return nil
	}
	return err
}

// isStale tells that no check has succeeded for longer than allowed; a
// machine that never had one counts from the daemon's start.
func (d *Daemon) isStale() bool {
	now := d.wall()
	since := d.view.LastSuccess
	if since.IsZero() {
		since = d.startedOn(now)
	}
	return now.Sub(since) > d.Rules.StaleAfter
}

// setInstalled takes over what is on the disk.
func (d *Daemon) setInstalled(list []updater.Installed) {
	d.installed = list
	pending, fallback := "", ""
	for _, i := range list {
		switch {
		case i.State == updater.InstalledPending && pending == "":
			pending = i.Version
		case i.State == updater.InstalledFallback && fallback == "":
			fallback = i.Version
		}
	}
	d.view.FallbackVersion = fallback
	d.setPending(pending)
}

func (d *Daemon) setPending(version string) {
	d.view.PendingVersion, d.view.RebootRequired = version, version != ""
	d.view.AvailableVersion = d.stillAvailable(d.view.AvailableVersion)
	d.wanted = d.stillAvailable(d.wanted)
}

// stillAvailable drops an offer that has been installed since, or that did not
// come up then.
func (d *Daemon) stillAvailable(version string) string {
	switch {
	case !d.isNewer(version), version == d.view.PendingVersion, slices.ContainsFunc(d.installed, func(i updater.Installed) bool {
		return i.Version == version && i.State == updater.InstalledFallback
	}):
		return ""
	case slices.Contains(d.system().Record().Failed(d.installed), version):
		return ""
	}
	return version
}

// isNewer tells that a version is newer than the one that runs.
func (d *Daemon) isNewer(version string) bool {
	v, err := policy.ParseVersion(version)
	if err != nil {
		return false
	}
	running, err := policy.ParseVersion(d.RunningVersion)
	return err == nil && v.Compare(running) > 0
}

// isPresent tells that a version runs or waits for a reboot.
func (d *Daemon) isPresent(version string) bool {
	return version == d.RunningVersion || version == d.view.PendingVersion
}
