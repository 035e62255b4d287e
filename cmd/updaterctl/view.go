// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"strings"
	"sync"

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
	if o.terminal && !o.json {
		return &barView{out: o}
	}
	return &lineView{out: o, told: map[updater.Stage]bool{}}
}

// lineView prints a line for each stage.
type lineView struct {
	out  *output
	told map[updater.Stage]bool
}

func (v *lineView) show(s updater.Status) {
	// What comes as a property and as a signal may cross: each stage once.
	if s.Stage != "" && !v.told[s.Stage] {
		v.told[s.Stage] = true
		v.say(clean(string(s.Stage)))
	}
}

func (v *lineView) advance(s updater.Status) { v.show(s) }
func (v *lineView) say(line string)          { fmt.Fprintln(v.out, line) }
func (v *lineView) end()                     { clear(v.told) }

// barTotal is the resolution of the bar.
const barTotal = 1000

// barView draws a bar with stage, bytes, rate and time left.
type barView struct {
	out  *output
	area *mpb.Progress
	bar  *mpb.Bar

	mu     sync.Mutex // the library draws in its own goroutine
	status updater.Status
}

func (v *barView) show(s updater.Status) {
	v.mu.Lock()
	// Never back: what comes as a property and as a signal may cross.
	s.Progress = max(s.Progress, v.status.Progress)
	v.status = s
	v.mu.Unlock()
	if v.bar == nil {
		v.begin()
	}
	v.bar.SetCurrent(int64(s.Progress * barTotal))
}

func (v *barView) advance(s updater.Status) {
	v.mu.Lock()
	if s.Stage == v.status.Stage {
		s.BytesPerSecond, s.Remaining = v.status.BytesPerSecond, v.status.Remaining
	}
	v.mu.Unlock()
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
	v.status = updater.Status{}
	v.mu.Unlock()
}

func (v *barView) begin() {
	v.area = mpb.New(mpb.WithOutput(v.out.Writer))
	column := func(text func(updater.Status) string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string {
			v.mu.Lock()
			defer v.mu.Unlock()
			return text(v.status)
		})
	}
	v.bar = v.area.New(barTotal, mpb.BarStyle(),
		mpb.PrependDecorators(column(func(s updater.Status) string {
			return fmt.Sprintf("%-10s %5s ", clean(string(s.Stage)), percent(s.Progress))
		})),
		mpb.AppendDecorators(column(func(s updater.Status) string {
			return " " + strings.Join(figures(s), "  ")
		})))
}
