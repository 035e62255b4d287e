// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/clipos/updater/dbusapi"
)

// identifier is the SYSLOG_IDENTIFIER of every entry, what journalctl -t asks for.
const identifier = "updaterd"

// journalHandler writes entries by the journal's native protocol, and those
// that it does not take as lines. docs/journal.md has the fields.
type journalHandler struct {
	lines slog.Handler
	send  func(message string, priority journal.Priority, fields map[string]string) error
	// group comes before the keys that follow, "" or with a dot at its end.
	group string
	with  []slog.Attr
}

// Enabled implements slog.Handler.
func (h *journalHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.lines.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs := slices.Clone(h.with)
	r.Attrs(func(a slog.Attr) bool {
		attrs = appendFlat(attrs, h.group, a)
		return true
	})
	if h.send(message(r.Message, attrs), priority(r.Level), fields(attrs)) == nil {
		return nil
	}
	return h.lines.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.lines = h.lines.WithAttrs(attrs)
	next.with = slices.Clone(h.with)
	for _, a := range attrs {
		next.with = appendFlat(next.with, h.group, a)
	}
	return &next
}

// WithGroup implements slog.Handler.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.lines = h.lines.WithGroup(name)
	next.group += name + "."
	return &next
}

// appendFlat appends an attribute, and for a group those in it.
func appendFlat(list []slog.Attr, prefix string, a slog.Attr) []slog.Attr {
	a.Value = a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
		return list
	case a.Value.Kind() != slog.KindGroup:
		a.Key = prefix + a.Key
		return append(list, a)
	case a.Key != "":
		prefix += a.Key + "."
	}
	for _, inner := range a.Value.Group() {
		list = appendFlat(list, prefix, inner)
	}
	return list
}

// message is what journalctl shows: the text and what an administrator needs
// with it.
func message(text string, attrs []slog.Attr) string {
	for _, a := range attrs {
		if a.Key == eventKey {
			continue
		}
		value := valueText(a.Value)
		if value == "" || strings.ContainsFunc(value, needsQuotes) {
			value = strconv.Quote(value)
		}
		text += " " + a.Key + "=" + value
	}
	return text
}

func needsQuotes(r rune) bool {
	return r == '"' || r == '=' || unicode.IsSpace(r) || !unicode.IsPrint(r)
}

// fields is what programs read.
func fields(attrs []slog.Attr) map[string]string {
	f := map[string]string{"SYSLOG_IDENTIFIER": identifier}
	for _, a := range attrs {
		if err, ok := a.Value.Any().(error); ok && f["ERROR_NAME"] == "" {
			f["ERROR_NAME"] = dbusapi.ErrorName(err)
		}
		value := valueText(a.Value)
		if id, ok := messageIDs[value]; ok && a.Key == eventKey {
			f["MESSAGE_ID"] = id
		}
		f[fieldName(a.Key)] = value
	}
	return f
}

// maxFieldName is the longest name that the journal takes.
const maxFieldName = 64

// fieldName is the key as the journal allows names; all but the documented ones
// have a prefix, because plain names have meanings.
func fieldName(key string) string {
	switch key {
	case "version", "transaction", "error_name":
		return strings.ToUpper(key)
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, "UPDATER_"+strings.ToUpper(key))
	return name[:min(len(name), maxFieldName)]
}

func valueText(v slog.Value) string {
	if v.Kind() == slog.KindTime {
		return v.Time().Format(time.RFC3339)
	}
	return v.String()
}

func priority(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
