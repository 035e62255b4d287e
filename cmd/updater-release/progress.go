// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/cmd/updater-release/internal/publish"
)

// progress shows long work on standard error: a bar on a terminal, a line for
// each step elsewhere, nothing beside JSON.
func (s *session) progress() publish.Progress {
	terminal := console.New(s.log, s.json).Terminal
	switch {
	case s.json:
		return &lines{w: io.Discard}
	case terminal:
		return &bars{w: s.log}
	}
	return &lines{w: s.log}
}

// lines prints a line for each step that has ended.
type lines struct {
	w    io.Writer
	what string
}

func (l *lines) Begin(what string) { l.what = what }
func (l *lines) Done(int64, int64) {}
func (l *lines) End(result string) { fmt.Fprintf(l.w, "%s: %s\n", l.what, result) }

// bars draws one bar after the other, with bytes and the time left.
type bars struct {
	w    io.Writer
	what string
	area *mpb.Progress
	bar  *mpb.Bar
}

func (b *bars) Begin(what string) {
	b.stop()
	b.what = what
	b.area = mpb.New(mpb.WithOutput(b.w))
	b.bar = b.area.New(0, mpb.BarStyle(), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(console.Clean(what)+" ")),
		mpb.AppendDecorators(
			decor.Any(func(s decor.Statistics) string {
				return " " + console.Size(s.Current) + " of " + console.Size(s.Total)
			}),
			decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8})))
}

// Done may be told more than there is: a part that was done twice.
func (b *bars) Done(done, total int64) {
	if b.bar == nil {
		return
	}
	b.bar.SetTotal(total, false)
	b.bar.SetCurrent(min(done, total))
}

func (b *bars) End(result string) {
	b.stop()
	fmt.Fprintf(b.w, "%s: %s\n", b.what, result)
}

// stop takes the bar away.
func (b *bars) stop() {
	if b.bar == nil {
		return
	}
	b.bar.Abort(true)
	b.area.Wait()
	b.area, b.bar = nil, nil
}
