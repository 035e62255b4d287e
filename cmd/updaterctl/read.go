// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// The verbs that ask one question.

func status(ctx context.Context, s *session) error {
	o, err := s.client.Overview(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.out.object(newStatusObject(o))
	}
	return s.out.status(o)
}

func (o *output) status(v dbusapi.Overview) error {
	t := tabwriter.NewWriter(o, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(t, "%s:\t%s\n", name, value) }
	row("System", clean(v.OSName+" "+v.RunningVersion))
	row("State", o.state(v))
	row("Available", orNone(v.AvailableVersion))
	row("Waiting for a reboot", orNone(v.PendingVersion))
	row("Fallback", orNone(v.FallbackVersion))
	lastSuccess := moment(v.LastSuccess)
	if v.Stale {
		lastSuccess = o.paint(bad, lastSuccess+" (too long ago)")
	}
	row("Last check", moment(v.LastCheck))
	row("Last success", lastSuccess)
	row("Next check", moment(v.NextCheck))
	if v.LastError != nil {
		row("Last error", o.paint(bad, fmt.Sprintf("%s (%s)", clean(v.LastError.Error()), clean(dbusapi.ErrorName(v.LastError)))))
	}
	row("Service", "updaterd "+clean(v.DaemonVersion))
	return t.Flush()
}

// state is the state, and how far a job has come.
func (o *output) state(v dbusapi.Overview) string {
	text := o.paint(stateColour(v.State), orNone(string(v.State)))
	if v.State == updater.StateUpdating {
		text += ": " + summary(v.Status)
	}
	return text
}

func stateColour(s updater.State) string {
	switch s {
	case updater.StateIdle, updater.StateRebootRequired:
		return good
	case updater.StateChecking, updater.StateUpdating:
		return busy
	case updater.StateFailed:
		return bad
	}
	return plain
}

// summary is how far a job has come, on one line.
func summary(s updater.Status) string {
	return strings.Join(append([]string{orNone(string(s.Stage)), percent(s.Progress)}, figures(s)...), ", ")
}

func percent(progress float64) string {
	// Rounded down: 100 % is for what has ended.
	return fmt.Sprintf("%d %%", int(progress*100))
}

// figures are the bytes, the rate and the time left of a job, as far as known.
func figures(s updater.Status) (known []string) {
	if s.BytesTotal > 0 {
		known = append(known, size(s.BytesDone)+" of "+size(s.BytesTotal))
	}
	if s.BytesPerSecond > 0 {
		known = append(known, size(s.BytesPerSecond)+"/s")
	}
	if s.Remaining >= time.Second {
		known = append(known, s.Remaining.Round(time.Second).String()+" left")
	}
	return known
}

func check(ctx context.Context, s *session) error {
	found, err := s.client.Check(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.out.object(checkObject(found))
	}
	_, err = fmt.Fprintln(s.out, offer(found))
	return err
}

// offer is what a check found.
func offer(c updater.Check) string {
	if !c.Available {
		return fmt.Sprintf("no update: %s runs, the server offers %s", clean(c.Running), orNone(c.Version))
	}
	text := fmt.Sprintf("%s is available, %s runs", clean(c.Version), clean(c.Running))
	if c.DownloadBytes > 0 {
		text += fmt.Sprintf(" (%s to download)", size(c.DownloadBytes))
	}
	return text
}

func versions(ctx context.Context, s *session) error {
	installed, err := s.client.ListVersions(ctx)
	if err != nil {
		return err
	}
	if s.json {
		objects := make([]versionObject, len(installed))
		for i, v := range installed {
			objects[i] = versionObject(v)
		}
		return s.out.object(objects)
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "VERSION\tSTATE\tSIZE\tTRIES\tVOLUME\tENTRY")
	for _, v := range installed {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n",
			clean(v.Version), clean(string(v.State)), size(v.SizeBytes), tries(v), orNone(v.Volume), orNone(v.Entry))
	}
	return t.Flush()
}

// tries is the boot counter of v.
func tries(v updater.Installed) string {
	if v.TriesLeft < 0 {
		return "-"
	}
	return fmt.Sprintf("%d left", v.TriesLeft)
}

func cancel(ctx context.Context, s *session) error {
	if err := s.client.Cancel(ctx, ""); err != nil {
		return err
	}
	if s.json {
		return s.out.object(cancelObject{Cancelled: true})
	}
	_, err := fmt.Fprintln(s.out, "the update is cancelled")
	return err
}
