// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"io"
	"log/slog"
)

// newLog writes lines to stderr, which is the journal's under systemd: that
// adds time, unit and host itself.
func newLog(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		},
	}))
}
