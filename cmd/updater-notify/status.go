// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// line is the state of the update service in a few words, as a panel shows it.
// The names are those of waybar-custom(5).
type line struct {
	Text    string `json:"text"`
	Tooltip string `json:"tooltip"`
	Class   string `json:"class"`
	// Alt chooses an icon, which is what waybar uses it for: the class.
	Alt        string `json:"alt"`
	Percentage int32  `json:"percentage"`
}

// errOutput: nobody reads what is printed.
var errOutput = errors.New("standard output")

// followStatus prints a line for each change until ctx ends or nobody reads them.
func followStatus(ctx context.Context, o options, w words, out io.Writer) error {
	p := &panel{words: w, out: out, json: o.waybar}
	return redial(ctx, 0, func(ctx context.Context) (bool, error) {
		client, err := dbusapi.Dial(ctx, o.bus)
		if err != nil {
			return false, errors.Join(err, p.print(w.gone()))
		}
		defer client.Close()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		events, err := client.Watch(ctx)
		if err != nil {
			return false, errors.Join(err, p.print(w.gone()))
		}
		for e := range events {
			if err := p.heed(e); err != nil {
				return false, err
			}
		}
		return true, p.print(w.gone())
	})
}

// panel prints lines.
type panel struct {
	words words
	out   io.Writer
	json  bool
	last  string
}

func (p *panel) heed(e dbusapi.Event) error {
	switch e := e.(type) {
	case dbusapi.Changed:
		return p.print(p.words.line(e.Overview))
	case dbusapi.Vanished:
		return p.print(p.words.gone())
	}
	return nil
}

// print prints l, unless that is what was printed last.
func (p *panel) print(l line) error {
	text := l.Text
	if p.json {
		// Panels read markup.
		l.Text, l.Tooltip, l.Alt = escape(l.Text), escape(l.Tooltip), l.Class
		data, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text = string(data)
	}
	if text == p.last {
		return nil
	}
	p.last = text
	if _, err := fmt.Fprintln(p.out, text); err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	return nil
}

// gone is the line while there is no service.
func (w words) gone() line {
	return line{Text: w.say(statusGone), Tooltip: w.say(statusGone), Class: "gone"}
}

// line is the state in a few words. The class is the state's public name, or
// what it leaves out: stale, available, held.
func (w words) line(o dbusapi.Overview) line {
	l := line{Text: w.say(statusUpToDate), Class: string(updater.StateIdle)}
	switch {
	case o.State == updater.StateUpdating:
		l.Percentage = percent(o.Status.Progress)
		l.Text, l.Class = w.say(progressBody, w.stage(o.Status.Stage), l.Percentage), string(o.State)
	case o.RebootRequired:
		l.Text, l.Class = w.say(statusReady, clean(o.PendingVersion, versionRunes)), string(updater.StateRebootRequired)
	case o.State == updater.StateFailed:
		l.Text, l.Class = w.say(statusFailed), string(o.State)
	case o.Stale:
		l.Text, l.Class = w.say(staleTitle), "stale"
	case o.State == updater.StateChecking:
		l.Text, l.Class = w.say(statusChecking), string(o.State)
	case o.AvailableVersion != "":
		l.Text, l.Class = w.say(statusAvailable, clean(o.AvailableVersion, versionRunes)), "available"
	case o.Held:
		l.Text, l.Class = w.say(statusHeld), "held"
	}
	l.Tooltip = strings.Join(w.tooltip(o), "\n")
	return l
}

// tooltip is what a panel shows of the state when it is asked.
func (w words) tooltip(o dbusapi.Overview) []string {
	lines := []string{w.say(tooltipRunning, clean(o.RunningVersion, versionRunes))}
	if o.LastSuccess.IsZero() {
		lines = append(lines, w.say(tooltipNever))
	} else {
		lines = append(lines, w.say(tooltipLastCheck, o.LastSuccess.Local().Format(time.DateTime)))
	}
	if left := w.left(o.Status.Remaining); left != "" && o.State == updater.StateUpdating {
		lines = append(lines, left)
	}
	if o.LastError != nil {
		lines = append(lines, clean(o.LastError.Error(), messageRunes))
	}
	for _, b := range o.Blockers {
		lines = append(lines, clean(b.Text, messageRunes))
	}
	return lines
}
