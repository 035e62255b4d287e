// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/clipos/updater/dbusapi"
	"golang.org/x/term"
)

// output is standard output and how it is written to.
type output struct {
	io.Writer
	json bool
	// terminal: a bar can be drawn.
	terminal bool
	colour   bool
}

func newOutput(w io.Writer, json bool) *output {
	o := &output{Writer: w, json: json}
	o.terminal = isTerminal(w) && os.Getenv("TERM") != "dumb" //nolint:forbidigo // a terminal that cannot move its cursor
	// See no-color.org: set to anything but nothing.
	o.colour = o.terminal && os.Getenv("NO_COLOR") == "" //nolint:forbidigo // a convention of terminals; the daemon reads none
	return o
}

// isTerminal tells whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// object prints v as one line of JSON. What a terminal would obey is escaped:
// the encoder itself does that below U+0020 alone.
func (o *output) object(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var escaped strings.Builder
	for _, r := range string(line) {
		if unicode.IsPrint(r) {
			escaped.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&escaped, `\u%04x`, unit)
		}
	}
	_, err = fmt.Fprintln(o, escaped.String())
	return err
}

// answer prints object with --json, and otherwise the line that says the same.
func (o *output) answer(object any, line string) error {
	if o.json {
		return o.object(object)
	}
	_, err := fmt.Fprintln(o, line)
	return err
}

// Colours, by meaning (ECMA-48, "Select Graphic Rendition").
const (
	good      = "32"
	attention = "33" // something is left to do, or to wait for
	bad       = "31"
	plain     = ""
)

func (o *output) paint(colour, s string) string {
	if !o.colour || colour == plain {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// report prints what went wrong and what can be done about it.
func report(w io.Writer, err error) {
	if errors.Is(err, errInterrupted) {
		fmt.Fprintf(w, "%v; to end it: updaterctl cancel\n", err)
		return
	}
	name := dbusapi.ErrorName(err)
	fmt.Fprintf(w, "error: %s (%s)\n", clean(err.Error()), clean(name))
	for _, hint := range dbusapi.Hint(name) {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

// clean is s on one line and without what a terminal would obey.
func clean(s string) string {
	s = strings.ReplaceAll(s, "\n", "; ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// orNone is text from the service, or a word for none.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return clean(s)
}

// size is n bytes for people, in powers of ten as disks are sold.
func size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", max(n, 0))
	}
	value := float64(n) / 1000
	for _, unit := range []string{"kB", "MB", "GB"} {
		if value < 999.95 { // rounds to less than 1000.0
			return fmt.Sprintf("%.1f %s", value, unit)
		}
		value /= 1000
	}
	return fmt.Sprintf("%.1f TB", value)
}

// moment is t for people, in their time zone.
func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format(time.DateTime)
}
