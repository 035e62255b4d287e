// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/cmd/internal/stamp"
	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// lines are the worlds of each class.
func lines() map[string]world {
	return map[string]world{
		"idle":            quiet(),
		"checking":        with(func(w *world) { w.service.overview.State = updater.StateChecking }),
		"updating":        with(updating),
		"reboot-required": with(pending),
		"failed":          with(failedWith("NoSpaceESP")),
		"stale":           with(stale),
		"available":       with(offered, blockedBy("mode")),
		"held":            with(func(w *world) { w.service.overview.Held = true }),
		"gone":            {},
	}
}

func TestLine(t *testing.T) {
	en, fr := speak(t, "en"), speak(t, "fr")
	for class, test := range map[string]struct {
		english, french string
		percentage      int32
	}{
		"idle":            {"Up to date", "À jour", 0},
		"checking":        {"Checking", "Vérification", 0},
		"updating":        {"Downloading: 41%", "Téléchargement\u00a0: 41\u00a0%", 41},
		"reboot-required": {"Restart for 5.0.0-alpha.3", "Redémarrer pour 5.0.0-alpha.3", 0},
		"failed":          {"Update failed", "Échec de la mise à jour", 0},
		"stale":           {"Updates not verified", "Mises à jour non vérifiées", 0},
		"available":       {"Update available: 5.0.0-alpha.3", "Mise à jour disponible\u00a0: 5.0.0-alpha.3", 0},
		"held":            {"Updates held", "Mises à jour suspendues", 0},
		"gone":            {"No update service", "Pas de service de mise à jour", 0},
	} {
		for _, c := range []struct {
			words words
			want  string
		}{{en, test.english}, {fr, test.french}} {
			got := c.words.gone()
			if class != "gone" {
				got = c.words.line(lines()[class].service.overview)
			}
			if got.Text != c.want || got.Class != class || got.Percentage != test.percentage || got.Tooltip == "" {
				t.Errorf("%+v, want %q, %s", got, c.want, class)
			}
		}
	}
}

func TestTooltip(t *testing.T) {
	w := with(updating, func(w *world) {
		o := &w.service.overview
		o.LastSuccess, o.Status.Remaining = time.Date(2026, 5, 1, 12, 0, 0, 0, time.Local), 3*time.Minute
		o.LastError = errors.New("a\nb")
		o.Blockers = []updater.Blocker{{Code: "held", Text: "audit & co"}}
	})
	want := "Running: 5.0.0-alpha.1\nLast verified check: 2026-05-01 12:00:00\nabout 3 minutes left\na b\naudit & co"
	if got := speak(t, "en").line(w.service.overview).Tooltip; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// status runs updater-notify --status and returns its lines.
func status(t *testing.T, s *sample, args ...string) <-chan string {
	t.Helper()
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- run(ctx, append([]string{"--bus", s.system.Address, "--status"}, args...), environment{}, write, io.Discard)
	}()
	t.Cleanup(func() {
		cancel()
		read.Close()
		<-done
	})
	found := make(chan string, 100)
	go func() {
		for scanner := bufio.NewScanner(read); scanner.Scan(); {
			found <- scanner.Text()
		}
	}()
	return found
}

// TestStatus: a line for each change, and none for what changes nothing.
func TestStatus(t *testing.T) {
	s := newSample(t, with(pending))
	found := status(t, s)
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-found:
			if got != want {
				t.Errorf("%q, want %q", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("waited in vain for %q", want)
		}
	}
	expect("Restart for 5.0.0-alpha.3")
	s.publish(with(pending, func(w *world) { w.service.overview.LastCheck = evening }))
	s.publish(with(updating))
	expect("Downloading: 41%")
	s.system.Restart(t)
	expect("No update service")
	expect("Downloading: 41%") // the service is back by itself
}

func TestStatusForWaybar(t *testing.T) {
	s := newSample(t, with(updating, func(w *world) { w.service.overview.LastError = errors.New("<b>") }))
	var got line
	if err := json.Unmarshal([]byte(<-status(t, s, "--waybar")), &got); err != nil {
		t.Fatal(err)
	}
	want := "Running: 5.0.0-alpha.1"
	if got.Text != "Downloading: 41%" || got.Class != "updating" || got.Alt != "updating" || got.Percentage != 41 || !strings.HasPrefix(got.Tooltip, want) || !strings.HasSuffix(got.Tooltip, "&lt;b&gt;") {
		t.Errorf("%+v", got)
	}
}

// brokenPipe is a panel that has gone.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestStatusForNobody(t *testing.T) {
	s := newSample(t, with(pending))
	var stderr bytes.Buffer
	if got := run(t.Context(), []string{"--bus", s.system.Address, "--status"}, environment{}, brokenPipe{}, &stderr); got != exitError || !strings.HasPrefix(stderr.String(), "error: standard output: ") {
		t.Errorf("%d, %q", got, stderr.String())
	}
}

const noAddress = "error: bus address \"tcp:x\": no unix:path= in it (Internal)\n" +
	"hint: this is a fault of the updater: see the journal (journalctl -u updaterd)\n"

func TestUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args   []string
		status int
		stdout string
		stderr string
	}{
		"help":                  {[]string{"--help"}, exitOK, usageText, ""},
		"version":               {[]string{"--version"}, exitOK, "updater-notify " + stamp.Version("") + "\n", ""},
		"unknown option":        {[]string{"--x"}, exitUsage, "", "error: flag provided but not defined: -x\nhint: updater-notify --help\n"},
		"an argument":           {[]string{"x"}, exitUsage, "", "error: unexpected argument \"x\"\nhint: updater-notify --help\n"},
		"--waybar alone":        {[]string{"--waybar"}, exitUsage, "", "error: --waybar goes with --status\nhint: updater-notify --help\n"},
		"nonsense as a bus":     {[]string{"--session-bus", "unix:path=/nowhere", "--bus", "tcp:x"}, exitError, "", noAddress},
		"nonsense as a session": {[]string{"--session-bus", "tcp:x", "--bus", "unix:path=/nowhere"}, exitError, "", noAddress},
		"nonsense, for a panel": {[]string{"--status", "--bus", "tcp:x"}, exitError, "No update service\n", noAddress},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			got := run(t.Context(), test.args, environment{}, &stdout, &stderr)
			if got != test.status || stdout.String() != test.stdout || stderr.String() != test.stderr {
				t.Errorf("%d, %q, %q", got, stdout.String(), stderr.String())
			}
		})
	}
}

// TestRedialGivesUp: without a session bus there is nothing to do, some day.
func TestRedialGivesUp(t *testing.T) {
	broken := errors.New("broken")
	calls := 0
	err := redial(t.Context(), time.Nanosecond, func(context.Context) (bool, error) { calls++; return false, broken })
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if name := dbusapi.ErrorName(err); name != "Internal" {
		t.Errorf("%s", name)
	}
}
