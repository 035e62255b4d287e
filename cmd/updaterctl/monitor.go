// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// monitor shows what happens until ctx ends.
func monitor(ctx context.Context, s *session) error {
	events, err := s.client.Watch(ctx)
	if err != nil {
		return err
	}
	o := &observer{out: s.out, view: newView(s.out)}
	defer o.view.end()
	for e := range events {
		if s.json {
			err = s.out.Object(eventObject(e))
		} else {
			o.show(e)
		}
		if err != nil {
			return err
		}
	}
	if ctx.Err() == nil {
		return fmt.Errorf("%w: the connection has ended", dbusapi.ErrNoBus)
	}
	return nil
}

// observer shows all that happens.
type observer struct {
	out   *output
	view  view
	state updater.State
	job   string
	// pending is the version that waited for a reboot when that was told last.
	pending string
}

func (o *observer) show(e dbusapi.Event) {
	switch e := e.(type) {
	case dbusapi.Changed:
		o.changed(e.Overview)
	case updater.ProgressEvent:
		o.begin(e.Transaction)
		o.view.advance(e.Status)
	case updater.CompletedEvent:
		o.completed(e)
	case updater.UpdateAvailableEvent:
		o.say("%s", offer(e.Check))
	case updater.RebootRequiredEvent:
		o.say("%s starts with the next reboot", console.Clean(e.Version))
	case updater.RolledBackEvent:
		o.say("%s", o.out.Paint(console.Bad, rolledBack(e)))
	case dbusapi.Vanished:
		o.state = ""
		o.say("the service is not on the bus")
	case dbusapi.Returned:
		o.say("the service is on the bus")
	}
}

// changed shows a new state, and the progress of a job.
func (o *observer) changed(v dbusapi.Overview) {
	o.pending = v.PendingVersion
	if v.State != o.state {
		o.state = v.State
		o.say("%s %s: %s", console.Clean(v.OSName), console.Clean(v.RunningVersion), o.out.Paint(stateColour(v.State), orNone(string(v.State))))
	}
	if v.Transaction != "" {
		o.begin(v.Transaction)
		o.view.show(v.Status)
	}
}

// begin starts a new bar when transaction is another job than the last.
func (o *observer) begin(transaction string) {
	if transaction != o.job {
		o.view.end()
		o.job = transaction
	}
}

func (o *observer) completed(e updater.CompletedEvent) {
	o.view.end()
	switch {
	case e.Err != nil:
		o.say("%s", o.out.Paint(console.Bad, failureText(failedUpdate(e))))
	case e.Version == o.pending:
		o.say("%s is installed", console.Clean(e.Version))
	default:
		// As far as policy lets the service go by itself.
		o.say("%s is fetched and verified", console.Clean(e.Version))
	}
}

// rolledBack says what the machine came up with.
func rolledBack(e updater.RolledBackEvent) string {
	return fmt.Sprintf("%s did not come up, %s runs", console.Clean(e.From), console.Clean(e.To))
}

// say prints a line with the time of day.
func (o *observer) say(format string, args ...any) {
	o.view.say(time.Now().Format(time.TimeOnly) + " " + fmt.Sprintf(format, args...))
}
