// SPDX-License-Identifier: LGPL-2.1-or-later

// Package fleet tells from the access logs of update servers what the machines
// run: how many of them which version, in which channel, how a new version
// spreads from day to day, who waits for what was offered, who has not been
// seen for days, and what was served.
//
// # The log
//
// A line is a JSON object, as the configuration that package nginx makes has
// it written:
//
//	{"time":"2026-11-23T10:15:30+00:00","machine":"0123…ef","version":"5.0.0",
//	 "channel":"stable","offered":"5.1.0","method":"GET",
//	 "path":"/update/v1/clipos/version","status":"200","bytes":18}
//
// Offered is there when the version was asked for; it is "static" where the answer
// was the web root's own document, in which a server does not read: nothing then
// changes in what the machine waits for. A machine runs what its last request
// told. Days are days of UTC.
//
// # Many logs
//
// Logs of several servers and rotated ones are read side by side, the oldest
// line first ([Read]), so it does not matter how they are called. Memory does
// not depend on how long they are: it takes about 200 bytes for a
// machine, and a number for each day and version.
//
// # Who may lie
//
// The server writes the log, but machine, version and path in it are what
// anybody sent: a machine id counts when it is 32 hexadecimal digits, a version
// when it is one, a channel when it is a name. So no text of a stranger gets
// into a report. Who invents machines is counted as machines; how many, and how
// many versions, is limited ([Limits]). What is offered the server's configuration
// says: it is told apart however much was invented before, and so are from then
// on the machines that run it. A line that cannot be understood is
// counted as damaged and otherwise passed over.
package fleet

import (
	"time"
)

// Limits keep a log that somebody filled with inventions from taking all
// memory.
type Limits struct {
	// Machines is how many are told apart; requests of more are only counted.
	Machines int
	// Names is how many versions that machines tell, and how many channels, are
	// told apart; all others are one, called "other".
	Names int
}

// DefaultLimits take about 1 GB when they are reached.
func DefaultLimits() Limits { return Limits{Machines: 5_000_000, Names: 1000} }

// Options are how to read.
type Options struct {
	// Days is the window: a machine is active when it was seen in the last so
	// many days of the logs, and otherwise missing.
	Days int
	// Now is the time of reading: a line from more than a day later is damaged.
	Now    time.Time
	Limits Limits
}

// day counts days since 1970, of UTC.
type day int32

const secondsPerDay = 24 * 60 * 60

func dayOf(unix int64) day { return day(unix / secondsPerDay) } //nolint:gosec // the year is at most 2100

// date is a day as JSON and people write it.
func (d day) date() string { return time.Unix(int64(d)*secondsPerDay, 0).UTC().Format(time.DateOnly) }
