// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sizes of a chart in units of its drawing, 880 by 260 in page.html, which a
// browser scales.
const (
	chartLeft    = 64.0 // room for the labels of the axis
	chartRight   = 866.0
	chartTop     = 10.0
	chartBottom  = 226.0
	maxChartDays = 120
	// maxSeries is how many colours page.css has beside grey.
	maxSeries = 7
)

// series is one colour of a chart: a number for each day.
type series struct {
	Name   string
	Class  string // of page.css
	Values []float64
}

// chart is stacked columns, one a day, ready to be drawn.
type chart struct {
	Label   string
	Legend  []series
	Ticks   []tick
	Dates   []label
	Columns []column
}

type tick struct {
	Y    float64
	Text string
}

type label struct {
	X    float64
	Text string
}

// column is a day: its rectangles, and what a reader who points at it is told.
type column struct {
	X, Width float64
	Title    string
	Parts    []part
}

type part struct {
	Class     string
	Y, Height float64
}

// newChart draws; every series has a value for each of days. format writes a
// value.
func newChart(title string, days []string, all []series, format func(float64) string) chart {
	all = slices.DeleteFunc(all, func(s series) bool { return slices.Max(append(s.Values, 0)) == 0 })
	c := chart{Label: title, Legend: all}
	first := max(0, len(days)-maxChartDays)
	if first > 0 {
		c.Label += fmt.Sprintf("; the last %d days", maxChartDays)
	}
	highest := 0.0
	for i := first; i < len(days); i++ {
		highest = max(highest, total(all, i))
	}
	step, top := scale(highest)
	y := func(v float64) float64 { return chartBottom - v/top*(chartBottom-chartTop) }
	for v := 0.0; v <= top; v += step {
		c.Ticks = append(c.Ticks, tick{y(v), format(v)})
	}
	width := (chartRight - chartLeft) / float64(max(1, len(days)-first))
	// Columns of a few days are no walls.
	bar := min(width*0.86, 72)
	every := max(1, int(math.Ceil(float64(len(days)-first)/10)))
	for i := first; i < len(days); i++ {
		x := chartLeft + float64(i-first)*width
		if (len(days)-1-i)%every == 0 {
			c.Dates = append(c.Dates, label{x + width/2, shortDate(days[i])})
		}
		column := column{X: x + (width-bar)/2, Width: bar, Title: describe(days[i], all, i, format)}
		sum := 0.0
		for _, s := range all {
			if s.Values[i] > 0 {
				column.Parts = append(column.Parts, part{s.Class, y(sum + s.Values[i]), y(sum) - y(sum+s.Values[i])})
			}
			sum += s.Values[i]
		}
		c.Columns = append(c.Columns, column)
	}
	return c
}

func total(all []series, i int) (sum float64) {
	for _, s := range all {
		sum += s.Values[i]
	}
	return sum
}

// scale returns a round distance of ticks and the last tick, not below
// highest.
func scale(highest float64) (step, top float64) {
	if highest <= 0 {
		return 1, 1
	}
	const ticks = 4
	step = math.Pow(10, math.Floor(math.Log10(highest/ticks)))
	for _, factor := range []float64{1, 2, 2.5, 5, 10} {
		// Machines and bytes are whole.
		if step*factor*ticks >= highest && step*factor == math.Floor(step*factor) {
			step *= factor
			break
		}
	}
	step = max(step, 1)
	return step, math.Ceil(highest/step) * step
}

// describe is a day in words.
func describe(date string, all []series, i int, format func(float64) string) string {
	lines := []string{date}
	for _, s := range all {
		if s.Values[i] > 0 {
			lines = append(lines, s.Name+": "+format(s.Values[i]))
		}
	}
	return strings.Join(lines, "\n")
}

// shortDate leaves the year out, which the page says once.
func shortDate(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t.Format("2 Jan")
}

// thousands writes a whole number in groups of three digits.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
