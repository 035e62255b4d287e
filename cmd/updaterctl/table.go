// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// cell is a text in a table, and its colour.
type cell struct{ text, colour string }

// row is a line of a table; what was written in place of a text is plain.
func row(texts ...string) []cell {
	cells := make([]cell, len(texts))
	for i, text := range texts {
		cells[i].text = text
	}
	return cells
}

// table prints rows with the columns under each other; colours take no room.
func (o *output) table(rows [][]cell) error {
	var widths []int
	for _, cells := range rows {
		for i, c := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var text strings.Builder
	for _, cells := range rows {
		for i, c := range cells {
			text.WriteString(o.paint(c.colour, c.text))
			if i < len(cells)-1 {
				fmt.Fprintf(&text, "%*s", widths[i]-utf8.RuneCountInString(c.text)+2, "")
			}
		}
		text.WriteByte('\n')
	}
	_, err := io.WriteString(o, text.String())
	return err
}

// facts is a table of names and values.
type facts [][]cell

func (f *facts) add(name, value, colour string) {
	*f = append(*f, []cell{{name + ":", plain}, {value, colour}})
}
