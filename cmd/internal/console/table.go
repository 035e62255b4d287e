// SPDX-License-Identifier: LGPL-2.1-or-later

package console

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Cell is a text in a table, and its colour.
type Cell struct{ Text, Colour string }

// Row is a line of a table; what was written in place of a text is plain.
func Row(texts ...string) []Cell {
	cells := make([]Cell, len(texts))
	for i, text := range texts {
		cells[i].Text = text
	}
	return cells
}

// Table prints rows with the columns under each other; colours take no room.
func (o *Output) Table(rows [][]Cell) error {
	var widths []int
	for _, cells := range rows {
		for i, c := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	var text strings.Builder
	for _, cells := range rows {
		for i, c := range cells {
			text.WriteString(o.Paint(c.Colour, c.Text))
			if i < len(cells)-1 {
				fmt.Fprintf(&text, "%*s", widths[i]-utf8.RuneCountInString(c.Text)+2, "")
			}
		}
		text.WriteByte('\n')
	}
	_, err := io.WriteString(o, text.String())
	return err
}
