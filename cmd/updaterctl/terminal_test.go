// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/test/pty"
	"github.com/clipos/updater/updater"
)

func TestColourOnATerminal(t *testing.T) {
	for name, c := range map[string]struct {
		noColor  string
		coloured bool
	}{"by default": {"", true}, "with NO_COLOR": {"1", false}} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NO_COLOR", c.noColor)
			t.Setenv("TERM", "xterm")
			bus, _ := serve(t, &fakeDaemon{overview: updater.Overview{State: updater.StateIdle}})
			terminal, shown := pty.Open(t)
			if status := run(t.Context(), []string{"status", "--bus", bus.Address}, nil, terminal, &bytes.Buffer{}); status != exitOK {
				t.Fatal(status)
			}
			shown.Await(t, "Service:")
			if got := strings.Contains(shown.String(), "\x1b[32midle\x1b[0m"); got != c.coloured {
				t.Errorf("%q", shown.String())
			}
		})
	}
}

func TestDumbTerminal(t *testing.T) {
	t.Setenv("TERM", "dumb")
	terminal, _ := pty.Open(t)
	if o := newOutput(terminal, false); o.Terminal || o.Colour {
		t.Errorf("%+v", o)
	}
}

// follow on a terminal, with a job that is at half when it is first seen.
func followOnScreen(ctx context.Context, t *testing.T, bus *dbustest.Bus, terminal *os.File) (done chan outcome) {
	t.Helper()
	done = make(chan outcome)
	go func() {
		var stderr bytes.Buffer
		status := run(ctx, []string{"update", "--follow", "--bus", bus.Address}, nil, terminal, &stderr)
		done <- outcome{status, "", stderr.String()}
	}()
	return done
}

// escapes are what moves the cursor and clears lines.
var escapes = regexp.MustCompile("\x1b\\[[0-9]*[A-Z]")

func TestBar(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for name, c := range map[string]struct {
		failure error
		status  int
		last    string
	}{
		"installed": {nil, exitOK, "5.0.0 is installed and starts with the next reboot\r\n"},
		"failed":    {updater.ErrWriteFailed, exitError, "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			bus, s, _ := serveFetching(t)
			terminal, shown := pty.Open(t)
			done := followOnScreen(t.Context(), t, bus, terminal)
			shown.Await(t, "fetching")
			shown.Await(t, "50 %")
			shown.Await(t, "2.0 GB of 4.0 GB  12.3 MB/s  29s left")
			tell(s, updater.StageInstalling, 0.75)
			shown.Await(t, "installing  75 %")
			s.Emit(updater.CompletedEvent{Transaction: "t1", Version: "5.0.0", Err: c.failure})
			got := <-done
			shown.Await(t, c.last) // the terminal takes its time
			if got.status != c.status || !strings.HasSuffix(shown.String(), c.last) {
				t.Errorf("%+v %q", got, shown.String())
			}
			for _, line := range strings.Split(escapes.ReplaceAllString(shown.String(), ""), "\n") {
				if len(strings.TrimSuffix(line, "\r")) > 80 {
					t.Errorf("too long: %q", line)
				}
			}
		})
	}
}

// After an interrupt the terminal is left in order and the job alone.
func TestBarInterrupted(t *testing.T) {
	t.Setenv("TERM", "xterm")
	bus, _, _ := serveFetching(t)
	terminal, shown := pty.Open(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	done := followOnScreen(ctx, t, bus, terminal)
	shown.Await(t, "29s left")
	interrupt()
	if got := <-done; got.status != exitError || !strings.Contains(got.stderr, "updaterctl cancel") {
		t.Errorf("%+v", got)
	}
	shown.Await(t, "left\r\n")
}

// Lines go above the bar, and each job has a bar of its own.
func TestBarView(t *testing.T) {
	t.Setenv("TERM", "xterm")
	terminal, shown := pty.Open(t)
	v := newView(newOutput(terminal, false))
	job := func(stage updater.Stage, progress float64) updater.Status {
		return updater.Status{Stage: stage, Progress: progress, Remaining: 90 * time.Second}
	}
	v.say("before")
	v.show(job(updater.StageFetching, 0.6))
	shown.Await(t, "60 %")
	v.say("meanwhile")
	shown.Await(t, "meanwhile")
	v.advance(job(updater.StageFetching, 0.2)) // crossed on its way: not shown
	v.end()
	v.end()
	v.show(job(updater.StageChecking, 0.1))
	shown.Await(t, "10 %")
	v.end()
	v.say("after")
	shown.Await(t, "after")
	if strings.Contains(shown.String(), "20 %") {
		t.Errorf("went back: %q", shown.String())
	}
}
