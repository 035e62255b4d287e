// SPDX-License-Identifier: LGPL-2.1-or-later

// Package console prints what our command line programs say: lines and tables
// for people, coloured where a terminal is, or JSON.
//
// What is printed may have come from a server, a disk or another program. Text
// goes through [Clean] first, and JSON is escaped by [Output.Object], so that
// a terminal finds nothing in it to obey.
package console

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"golang.org/x/term"
)

// Output is standard output and how it is written to.
type Output struct {
	io.Writer
	JSON bool
	// Terminal: a bar can be drawn.
	Terminal bool
	Colour   bool
}

// New looks at w, and at the conventions of terminals.
func New(w io.Writer, json bool) *Output {
	o := &Output{Writer: w, JSON: json}
	o.Terminal = IsTerminal(w) && os.Getenv("TERM") != "dumb" //nolint:forbidigo // a terminal that cannot move its cursor
	// See no-color.org: set to anything but nothing.
	o.Colour = o.Terminal && os.Getenv("NO_COLOR") == "" //nolint:forbidigo // a convention of terminals; the daemon reads none
	return o
}

// IsTerminal tells whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Object prints v as one line of JSON. What a terminal would obey is escaped:
// the encoder itself does that below U+0020 alone.
func (o *Output) Object(v any) error {
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

// Answer prints object with --json, and otherwise the line that says the same.
func (o *Output) Answer(object any, line string) error {
	if o.JSON {
		return o.Object(object)
	}
	_, err := fmt.Fprintln(o, line)
	return err
}

// Colours, by meaning (ECMA-48, "Select Graphic Rendition").
const (
	Good      = "32"
	Attention = "33" // something is left to do, or to wait for
	Bad       = "31"
	Plain     = ""
)

// Paint is s in a colour, where colours are wanted.
func (o *Output) Paint(colour, s string) string {
	if !o.Colour || colour == Plain {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// Clean is s on one line and without what a terminal would obey.
func Clean(s string) string {
	s = strings.ReplaceAll(s, "\n", "; ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// Size is n bytes for people, in powers of ten as disks are sold.
func Size(n int64) string {
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

// Moment is t for people, in their time zone.
func Moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format(time.DateTime)
}
