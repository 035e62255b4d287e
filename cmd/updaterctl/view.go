// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/updater"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// view shows the progress of one job after another, and lines between.
type view interface {
	// show shows how far the job has come.
	show(updater.Status)
	// advance is show without the rate and the time left, which the signal does
	// not tell.
	advance(updater.Status)
	// say prints a line.
	say(string)
	// end ends the job; the next show begins another.
	end()
}

func newView(o *output) view {
	if o.Terminal && !o.JSON {
		return &barView{out: o}
	}
	return &lineView{out: o}
}

// lineView prints a line for each stage.
type lineView struct {
	out   *output
	shown updater.Status
}

func (v *lineView) show(s updater.Status) {
	if isPast(s, v.shown) {
		return
	}
	if s.Stage != v.shown.Stage {
		v.say(console.Clean(string(s.Stage)))
	}
	v.shown = s
}

func (v *lineView) advance(s updater.Status) { v.show(s) }
func (v *lineView) say(line string)          { fmt.Fprintln(v.out, line) }
func (v *lineView) end()                     { v.shown = updater.Status{} }

// isPast tells that s is older than what is shown: progress never goes back, but
// what comes as a property and what comes as a signal may cross.
func isPast(s, shown updater.Status) bool {
	return s.Progress < shown.Progress
}

// barTotal is the resolution of the bar.
const barTotal = 1000

// barView draws a bar with stage, bytes, rate and time left.
type barView struct {
	out  *output
	area *mpb.Progress
	bar  *mpb.Bar

	mu    sync.Mutex // held to change shown: the library reads it in its own goroutine
	shown updater.Status
}

func (v *barView) show(s updater.Status) {
	if isPast(s, v.shown) {
		return
	}
	v.mu.Lock()
	v.shown = s
	v.mu.Unlock()
	if v.bar == nil {
		v.begin()
	}
	v.bar.SetCurrent(int64(s.Progress * barTotal))
}

func (v *barView) advance(s updater.Status) {
	if s.Stage == v.shown.Stage {
		s.BytesPerSecond, s.Remaining = v.shown.BytesPerSecond, v.shown.Remaining
	}
	v.show(s)
}

func (v *barView) say(line string) {
	if v.area != nil {
		fmt.Fprintln(v.area, line) // above the bar
		return
	}
	fmt.Fprintln(v.out, line)
}

func (v *barView) end() {
	if v.bar == nil {
		return
	}
	v.bar.Abort(false) // nothing when it is full
	v.area.Wait()
	v.area, v.bar = nil, nil
	v.mu.Lock()
	v.shown = updater.Status{}
	v.mu.Unlock()
}

func (v *barView) begin() {
	v.area = mpb.New(mpb.WithOutput(v.out.Writer))
	column := func(text func(updater.Status) string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string {
			v.mu.Lock()
			defer v.mu.Unlock()
			return text(v.shown)
		})
	}
	v.bar = v.area.New(barTotal, mpb.BarStyle(),
		mpb.PrependDecorators(column(func(s updater.Status) string {
			return fmt.Sprintf("%-10s %5s ", console.Clean(string(s.Stage)), percent(s.Progress))
		})),
		mpb.AppendDecorators(column(func(s updater.Status) string {
			return " " + strings.Join(figures(s), "  ")
		})))
}
