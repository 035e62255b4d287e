// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/updater"
)

const (
	// jobSilence is how long a job may give no sign of life. What reports
	// nothing is bounded below it: a check waits for the server at most three
	// minutes for each of five files, a change of LVM's metadata takes at most
	// five minutes and an update makes two in a row.
	jobSilence = 20 * time.Minute
	// statusInterval is how often a moving status line is worth sending.
	statusInterval = time.Second
	// swapLimit is what the final swap may take when the daemon is stopped in
	// it, far more than it does.
	swapLimit = time.Minute
	// maxStatusRunes keeps a status on the screen of whoever asks.
	maxStatusRunes = 256
)

func (d *Daemon) notify(state string) {
	if err := d.Notify(state); err != nil {
		d.Log.Warn("cannot notify the service manager", "error", err)
	}
}

// notifyStatus sets what systemctl status shows. After STOPPING=1 nothing
// follows but the watchdog's food, and what was said is not said again.
func (d *Daemon) notifyStatus(line string) {
	if d.stopping || line == d.lastLine {
		return
	}
	d.lastLine, d.lastTold = line, time.Now()
	d.notify("STATUS=" + oneLine(line))
}

// oneLine keeps a line break in an error's text from beginning another
// variable of the state, see sd_notify(3).
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	return fmt.Sprintf("%.*s", maxStatusRunes, s)
}

// monotonicMicroseconds is CLOCK_MONOTONIC, by which the service manager tells
// this reload from an earlier one.
func monotonicMicroseconds() int64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0
	}
	return now.Nano() / 1000
}

func (d *Daemon) watchdog() (<-chan time.Time, func()) {
	if d.WatchdogInterval == 0 {
		return nil, func() {}
	}
	// Half the interval, as sd_watchdog_enabled(3) recommends.
	t := time.NewTicker(d.WatchdogInterval / 2)
	return t.C, t.Stop
}

// feed tells the service manager that the loop turns and the job moves.
func (d *Daemon) feed() {
	if d.job == nil || time.Since(d.lastBeat) < jobSilence {
		d.notify("WATCHDOG=1")
	}
}

func (d *Daemon) restingLine() string {
	switch {
	case d.view.State == updater.StateFailed:
		return d.view.LastError.Error()
	case d.view.State == updater.StateRebootRequired:
		return d.view.PendingVersion + " is installed, reboot to use it"
	case d.view.AvailableVersion != "":
		return d.view.AvailableVersion + " is available"
	case d.view.LastSuccess.IsZero():
		return "not checked yet"
	}
	return "up to date"
}

func statusLine(s updater.Status) string {
	line := fmt.Sprintf("%s %s", s.Stage, s.Version)
	if s.BytesTotal > 0 {
		line += fmt.Sprintf(": %.0f %%", 100*float64(s.BytesDone)/float64(s.BytesTotal))
	}
	if s.BytesPerSecond > 0 {
		line += fmt.Sprintf(", %.1f MB/s", float64(s.BytesPerSecond)/1e6)
	}
	return line
}
