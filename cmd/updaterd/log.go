// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/coreos/go-systemd/v22/journal"
)

// eventKey is the attribute that says which event an entry tells of, see
// messageIDs. It is for programs: lines do not have it.
const eventKey = "event"

// newLog writes to the journal, with fields, where the service manager has
// connected stderr to it, and else lines to w.
func newLog(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	lines := newLines(w, level)
	if w == os.Stderr && stderrIsJournal() {
		return slog.New(&journalHandler{lines: lines, send: journal.Send})
	}
	return slog.New(lines)
}

// stderrIsJournal tells whether entries may go past stderr: a variable that
// says so and is wrong, or left over from a parent, does not count.
func stderrIsJournal() bool {
	is, err := journal.StderrIsJournalStream()
	return is && err == nil
}

// newLines leaves out the time: whoever keeps the lines adds it.
func newLines(w io.Writer, level slog.Level) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == eventKey) {
				return slog.Attr{}
			}
			return a
		},
	})
}
