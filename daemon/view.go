// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"errors"
	"fmt"
	"time"

	"github.com/clipos/updater/updater"
)

func (d *Daemon) publish() {
	d.view.Stale = d.isStale(time.Now())
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

// isStale tells that no check has succeeded for longer than allowed; a
// machine that never had one counts from the daemon's start.
func (d *Daemon) isStale(now time.Time) bool {
	since := d.view.LastSuccess
	if since.IsZero() {
		since = d.started
	}
	return now.Sub(since) > d.Rules.StaleAfter
}

// setInstalled takes over what is on the disk.
func (d *Daemon) setInstalled(list []updater.Installed) {
	d.installed = list
	d.view.PendingVersion, d.view.FallbackVersion = "", ""
	for _, i := range list {
		switch {
		case i.State == updater.InstalledPending && d.view.PendingVersion == "":
			d.view.PendingVersion = i.Version
		case i.State == updater.InstalledFallback && d.view.FallbackVersion == "":
			d.view.FallbackVersion = i.Version
		}
	}
	d.view.RebootRequired = d.view.PendingVersion != ""
}

// restingState is the state when no job runs.
func (d *Daemon) restingState() updater.State {
	switch {
	case d.view.LastError != nil && !errors.Is(d.view.LastError, updater.ErrNoUpdate):
		return updater.StateFailed
	case d.view.RebootRequired:
		return updater.StateRebootRequired
	}
	return updater.StateIdle
}

func (d *Daemon) restingLine() string {
	switch d.view.State {
	case updater.StateFailed:
		return d.view.LastError.Error()
	case updater.StateRebootRequired:
		return d.view.PendingVersion + " is installed, reboot to use it"
	}
	return "up to date"
}

// statusLine is what systemctl status shows.
func statusLine(s updater.Status) string {
	line := fmt.Sprintf("%s %s", s.Stage, s.Version)
	if s.BytesTotal > 0 {
		line += fmt.Sprintf(": %d %%", 100*s.BytesDone/s.BytesTotal)
	}
	if s.BytesPerSecond > 0 {
		line += fmt.Sprintf(", %.1f MB/s", float64(s.BytesPerSecond)/1e6)
	}
	return line
}
