// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/dbusapi"
)

// output is standard output, for what the service says.
type output struct{ *console.Output }

func newOutput(w io.Writer, json bool) *output { return &output{console.New(w, json)} }

// facts is a table of names and values.
type facts [][]console.Cell

func (f *facts) add(name, value, colour string) {
	*f = append(*f, []console.Cell{{Text: name + ":"}, {Text: value, Colour: colour}})
}

// report prints what went wrong and what can be done about it.
func report(w io.Writer, err error) {
	if errors.Is(err, errInterrupted) {
		fmt.Fprintf(w, "%v; to end it: updaterctl cancel\n", err)
		return
	}
	name := dbusapi.ErrorName(err)
	fmt.Fprintf(w, "error: %s (%s)\n", console.Clean(err.Error()), console.Clean(name))
	for _, hint := range dbusapi.Hint(name) {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

// orNone is text from the service, or a word for none.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return console.Clean(s)
}
