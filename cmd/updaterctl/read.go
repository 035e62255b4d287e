// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/clipos/updater/cmd/internal/console"
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
		return s.out.Object(newStatusObject(o))
	}
	return s.out.status(o)
}

func (o *output) status(v dbusapi.Overview) error {
	var f facts
	f.add("System", console.Clean(v.OSName+" "+v.RunningVersion), console.Plain)
	f.addState(o, v)
	f.add("Available", orNone(v.AvailableVersion), console.Plain)
	f.add("Waiting for a reboot", orNone(v.PendingVersion), console.Plain)
	f.add("Fallback", orNone(v.FallbackVersion), console.Plain)
	f.addBlockers(v.Blockers)
	if len(v.FailedVersions) > 0 {
		f.add("Did not come up", console.Clean(strings.Join(v.FailedVersions, ", ")), console.Bad)
	}
	f.add("Last check", console.Moment(v.LastCheck), console.Plain)
	if v.Stale {
		f.add("Last success", console.Moment(v.LastSuccess)+" (too long ago)", console.Bad)
	} else {
		f.add("Last success", console.Moment(v.LastSuccess), console.Plain)
	}
	f.add("Next check", console.Moment(v.NextCheck), console.Plain)
	if v.LastError != nil {
		f.add("Last error", failureText(v.LastError), console.Bad)
	}
	f.add("Service", "updaterd "+console.Clean(v.DaemonVersion), console.Plain)
	return o.Table(f)
}

// addState adds the state, and how far a job has come.
func (f *facts) addState(o *output, v dbusapi.Overview) {
	text := o.Paint(stateColour(v.State), orNone(string(v.State)))
	if v.State == updater.StateUpdating {
		text += ": " + summary(v.Status)
	}
	f.add("State", text, console.Plain)
}

// addBlockers adds why nothing is installed by itself, a line for each reason;
// that updates are held is one.
func (f *facts) addBlockers(blockers []updater.Blocker) {
	for _, b := range blockers {
		f.add("Blocked", fmt.Sprintf("%s (%s)", console.Clean(b.Text), console.Clean(string(b.Code))), console.Attention)
	}
}

// failureText is an error for people.
func failureText(err error) string {
	return fmt.Sprintf("%s (%s)", console.Clean(err.Error()), console.Clean(dbusapi.ErrorName(err)))
}

func stateColour(s updater.State) string {
	switch s {
	case updater.StateIdle:
		return console.Good
	case updater.StateRebootRequired:
		return console.Attention
	case updater.StateFailed:
		return console.Bad
	}
	return console.Plain
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
		known = append(known, console.Size(s.BytesDone)+" of "+console.Size(s.BytesTotal))
	}
	if s.BytesPerSecond > 0 {
		known = append(known, console.Size(s.BytesPerSecond)+"/s")
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
	return s.out.Answer(checkObject(found), offer(found))
}

// offer is what a check found.
func offer(c updater.Check) string {
	switch {
	case c.FailedBefore:
		return fmt.Sprintf("no update: %s runs, the server offers %s, which did not come up here; to allow it: updaterctl forget %[2]s",
			console.Clean(c.Running), console.Clean(c.Version))
	case !c.Available:
		return fmt.Sprintf("no update: %s runs, the server offers %s", console.Clean(c.Running), orNone(c.Version))
	}
	text := fmt.Sprintf("%s is available, %s runs", console.Clean(c.Version), console.Clean(c.Running))
	if c.DownloadBytes > 0 {
		text += fmt.Sprintf(" (%s to download)", console.Size(c.DownloadBytes))
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
		return s.out.Object(objects)
	}
	rows := [][]console.Cell{console.Row("VERSION", "STATE", "SIZE", "TRIES", "VOLUME", "ENTRY")}
	for _, v := range installed {
		cells := console.Row(console.Clean(v.Version), console.Clean(string(v.State)), console.Size(v.SizeBytes), tries(v), orNone(v.Volume), orNone(v.Entry))
		cells[1].Colour = installedColour(v.State)
		rows = append(rows, cells)
	}
	return s.out.Table(rows)
}

func installedColour(s updater.InstalledState) string {
	switch s {
	case updater.InstalledRunning:
		return console.Good
	case updater.InstalledPending:
		return console.Attention
	case updater.InstalledFailed:
		return console.Bad
	}
	return console.Plain
}

// tries is the boot counter of v.
func tries(v updater.Installed) string {
	if v.TriesLeft < 0 {
		return "-"
	}
	return fmt.Sprintf("%d left", v.TriesLeft)
}

func history(ctx context.Context, s *session) error {
	ended, err := s.client.History(ctx, s.limit)
	if err != nil {
		return err
	}
	if s.json {
		objects := make([]historyObject, len(ended))
		for i, e := range ended {
			objects[i] = newHistoryObject(e)
		}
		return s.out.Object(objects)
	}
	if len(ended) == 0 {
		_, err = fmt.Fprintln(s.out, "no update has ended yet")
		return err
	}
	rows := [][]console.Cell{console.Row("FINISHED", "VERSION", "FROM", "RESULT", "TOOK", "FETCHED", "ERROR")}
	for _, e := range ended {
		cells := console.Row(console.Moment(e.Finished), orNone(e.Version), orNone(e.From), console.Clean(string(e.Result)),
			e.Finished.Sub(e.Started).Round(time.Second).String(), console.Size(e.Bytes), "-")
		cells[3].Colour = resultColour(e.Result)
		if failure := endedWith(e); failure != nil {
			cells[6].Text = failureText(failure)
		}
		rows = append(rows, cells)
	}
	return s.out.Table(rows)
}

func resultColour(r updater.Result) string {
	switch r {
	case updater.ResultInstalled, updater.ResultFetched:
		return console.Good
	case updater.ResultFailed:
		return console.Bad
	}
	return console.Plain
}

// endedWith is why e did not work, nil when it did.
func endedWith(e updater.HistoryEntry) error {
	if e.Result == updater.ResultInstalled || e.Result == updater.ResultFetched {
		return nil
	}
	return &dbusapi.RemoteError{Name: e.ErrorName, Message: cmp.Or(e.Message, string(e.Result))}
}
