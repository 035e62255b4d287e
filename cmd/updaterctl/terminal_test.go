// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
	"golang.org/x/sys/unix"
)

// screen opens a terminal of 80 columns; what is written to it can be read from
// the buffer.
func screen(t *testing.T) (terminal *os.File, shown *syncBuffer) {
	t.Helper()
	controller, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(controller.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	shown = &syncBuffer{}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		buffer := make([]byte, 4096)
		for {
			n, err := controller.Read(buffer)
			_, _ = shown.Write(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		terminal.Close() // the reader ends when nobody has it open
		<-drained
		controller.Close()
	})
	return terminal, shown
}

func TestColourOnATerminal(t *testing.T) {
	for name, c := range map[string]struct {
		noColor  string
		coloured bool
	}{"by default": {"", true}, "with NO_COLOR": {"1", false}} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NO_COLOR", c.noColor)
			t.Setenv("TERM", "xterm")
			bus, _ := serve(t, &fakeDaemon{overview: updater.Overview{State: updater.StateIdle}})
			terminal, shown := screen(t)
			if status := run(t.Context(), []string{"status", "--bus", bus.Address}, nil, terminal, &bytes.Buffer{}); status != exitOK {
				t.Fatal(status)
			}
			await(t, shown, "Service:")
			if got := strings.Contains(shown.String(), "\x1b[32midle\x1b[0m"); got != c.coloured {
				t.Errorf("%q", shown.String())
			}
		})
	}
}

func TestDumbTerminal(t *testing.T) {
	t.Setenv("TERM", "dumb")
	terminal, _ := screen(t)
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
			terminal, shown := screen(t)
			done := followOnScreen(t.Context(), t, bus, terminal)
			await(t, shown, "fetching")
			await(t, shown, "50 %")
			await(t, shown, "2.0 GB of 4.0 GB  12.3 MB/s  29s left")
			tell(s, updater.StageInstalling, 0.75)
			await(t, shown, "installing  75 %")
			s.Emit(updater.CompletedEvent{Transaction: "t1", Version: "5.0.0", Err: c.failure})
			got := <-done
			await(t, shown, c.last) // the terminal takes its time
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
	terminal, shown := screen(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	done := followOnScreen(ctx, t, bus, terminal)
	await(t, shown, "29s left")
	interrupt()
	if got := <-done; got.status != exitError || !strings.Contains(got.stderr, "updaterctl cancel") {
		t.Errorf("%+v", got)
	}
	await(t, shown, "left\r\n")
}

// Lines go above the bar, and each job has a bar of its own.
func TestBarView(t *testing.T) {
	t.Setenv("TERM", "xterm")
	terminal, shown := screen(t)
	v := newView(newOutput(terminal, false))
	job := func(stage updater.Stage, progress float64) updater.Status {
		return updater.Status{Stage: stage, Progress: progress, Remaining: 90 * time.Second}
	}
	v.say("before")
	v.show(job(updater.StageFetching, 0.6))
	await(t, shown, "60 %")
	v.say("meanwhile")
	await(t, shown, "meanwhile")
	v.advance(job(updater.StageFetching, 0.2)) // crossed on its way: not shown
	v.end()
	v.end()
	v.show(job(updater.StageChecking, 0.1))
	await(t, shown, "10 %")
	v.end()
	v.say("after")
	await(t, shown, "after")
	if strings.Contains(shown.String(), "20 %") {
		t.Errorf("went back: %q", shown.String())
	}
}
