// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

const manualPath = "../docs/dbus.md"

// manual is the page for client authors.
func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(manualPath)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// example is a command of the manual and the lines shown below it.
type example struct {
	command string
	shown   []string
}

// examples are the busctl commands in the code blocks of the manual.
func examples(t *testing.T) (found []example) {
	t.Helper()
	for _, block := range regexp.MustCompile("(?ms)^```\n(.*?)^```$").FindAllStringSubmatch(manual(t), -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSuffix(line, "\n")
			if prompt := regexp.MustCompile(`^[$#] busctl `).FindString(line); prompt != "" {
				found = append(found, example{command: line[len(prompt):]})
				continue
			}
			if len(found) == 0 {
				t.Fatalf("output without a command: %q", line)
			}
			last := &found[len(found)-1]
			last.shown = append(last.shown, line)
		}
	}
	return found
}

// manualController answers as the manual shows.
type manualController struct{ fakeController }

func (*manualController) Check(context.Context) (updater.Check, error) {
	return updater.Check{Available: true, Version: "5.0.0-alpha.3", Running: "5.0.0-alpha.1", DownloadBytes: 17_400_000}, nil
}

func (*manualController) Update(context.Context, string) (string, error) { return "3f2a91c0", nil }

func (*manualController) Plan(context.Context, string) (updater.Plan, error) {
	return updater.Plan{
		Version: "5.0.0-alpha.3", Method: updater.MethodPatch, DownloadBytes: 17_400_000, WriteBytes: 610_900_000, CacheBytes: 17_400_000,
		Volume: "core_5.0.0-alpha.3", Entry: "clipos-5.0.0-alpha.3.efi",
		ReplacedVolume: "core_5.0.0-alpha.0", Reason: "the only spare volume", ReplacedEntries: []string{"clipos-5.0.0-alpha.0.efi"},
		Blockers: []updater.Blocker{{Code: "outside-window", Text: "the next maintenance window begins on Monday at 22:00"}},
	}, nil
}

func (*manualController) ListVersions(context.Context) ([]updater.Installed, error) {
	installed := func(version string, state updater.InstalledState) updater.Installed {
		return updater.Installed{
			Version: version, State: state, Volume: "core_" + version, Entry: "clipos-" + version + ".efi",
			SizeBytes: 500 << 20, TriesLeft: -1, TriesDone: -1,
		}
	}
	return []updater.Installed{
		installed("5.0.0-alpha.1", updater.InstalledRunning), installed("5.0.0-alpha.0", updater.InstalledFallback),
	}, nil
}

func (*manualController) Rollback(context.Context, string) (string, error) {
	return "5.0.0-alpha.0", nil
}

func (*manualController) History(context.Context, int) ([]updater.HistoryEntry, error) {
	began := noon.Truncate(time.Second)
	return []updater.HistoryEntry{{
		Transaction: "3f2a91c0", Version: "5.0.0-alpha.3", From: "5.0.0-alpha.1", Started: began, Finished: began.Add(62 * time.Second),
		Result: updater.ResultFailed, ErrorName: "TooSlow", Message: "the server sent too little for too long", Bytes: 17_000_000,
	}}, nil
}

// Each example of the manual works, and shows what it says.
func TestManualExamples(t *testing.T) {
	bus := dbustest.Start(t)
	s := start(t, bus, &manualController{})
	s.Publish(updater.Overview{
		OSName: "clipos", RunningVersion: "5.0.0-alpha.1", AvailableVersion: "5.0.0-alpha.3",
		State: updater.StateUpdating, Transaction: "3f2a91c0",
		Status: updater.Status{Stage: updater.StageFetching, Progress: 0.41},
	})
	called := map[string]bool{}
	for _, e := range examples(t) {
		words := strings.Fields(e.command)
		if words[0] == "call" {
			called[words[4]] = true
		}
		t.Run(strings.Join(words[:min(5, len(words))], " "), func(t *testing.T) {
			if words[0] == "monitor" {
				e.monitor(t, bus, s)
				return
			}
			out, err := e.shell(t, bus).Output()
			if err != nil {
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					t.Fatalf("%v: %s", err, exit.Stderr)
				}
				t.Fatal(err)
			}
			if !e.shows(string(out)) {
				t.Errorf("shows\n%s\nnot\n%s", out, strings.Join(e.shown, "\n"))
			}
		})
	}
	for _, m := range describedInterface(t, Interface).Methods {
		if !called[m.Name] {
			t.Errorf("no example of %s", m.Name)
		}
	}
}

// shell runs the command as somebody would type it, on the test's own bus.
func (e example) shell(t *testing.T, bus *dbustest.Bus) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // for what shows nothing and never ends
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c",
		"exec /usr/bin/busctl --no-pager --address="+bus.Address+" "+e.command)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	return cmd
}

// anything in the shown output stands for any number of lines.
const anything = "…"

// shows tells whether output is what is shown: the same words in any order, for
// a dictionary has none; or, where some of it is left out, each line that is
// left somewhere in it.
func (e example) shows(output string) bool {
	if !slices.Contains(e.shown, anything) {
		got, want := strings.Fields(output), strings.Fields(strings.Join(e.shown, " "))
		slices.Sort(got)
		slices.Sort(want)
		return slices.Equal(got, want)
	}
	var lines []string
	for line := range strings.Lines(output) {
		lines = append(lines, oneSpaced(line))
	}
	for _, line := range e.shown {
		if line != anything && !slices.Contains(lines, oneSpaced(line)) {
			return false
		}
	}
	return true
}

func oneSpaced(line string) string {
	line = regexp.MustCompile(`Sender=:1\.\d+`).ReplaceAllString(line, "Sender=:1.2")
	return strings.Join(strings.Fields(line), " ")
}

// monitor runs a command that never ends until it has shown everything, while a
// job completes again and again.
func (e example) monitor(t *testing.T, bus *dbustest.Bus, s *Service) {
	t.Helper()
	cmd := e.shell(t, bus)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		close(ended)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	go func() {
		for {
			s.Emit(updater.CompletedEvent{Transaction: "3f2a91c0", Version: "5.0.0-alpha.3"})
			select {
			case <-ended:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	var seen bytes.Buffer
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		seen.WriteString(lines.Text() + "\n")
		if e.shows(seen.String()) {
			return
		}
	}
	t.Errorf("shows\n%s\nnot\n%s", seen.String(), strings.Join(e.shown, "\n"))
}

// The manual names everything there is, and no error or action that is not.
func TestManualIsComplete(t *testing.T) {
	page := manual(t)
	i := describedInterface(t, Interface)
	var rows []string
	for _, m := range i.Methods {
		rows = append(rows, "\n### "+m.Name+"\n")
	}
	for _, p := range i.Properties {
		rows = append(rows, "\n| `"+p.Name+"` | `"+p.Type+"` | ")
	}
	for _, sig := range i.Signals {
		args := make([]string, len(sig.Args))
		for n, a := range sig.Args {
			args[n] = a.Type + " " + a.Name
		}
		rows = append(rows, "\n| `"+sig.Name+"` | `"+strings.Join(args, ", ")+"` | ")
	}
	for _, a := range actions {
		rows = append(rows, "\n| `org.clipos.updater1."+string(a)+"` | ")
	}
	for _, e := range describedErrors() {
		rows = append(rows, "\n| `"+e+"` | ")
	}
	for _, row := range rows {
		if !strings.Contains(page, row) {
			t.Errorf("not in %s: %q", manualPath, row)
		}
	}
	if n := strings.Count(page, "\n### ") + strings.Count(page, "\n| `"); n != len(rows)+1 { // and the row of names at the top
		t.Errorf("%s has %d headings and rows, there are %d things to name", manualPath, n, len(rows))
	}
}

// The public words are in the description and in the manual.
func TestWordsAreExplained(t *testing.T) {
	source, err := os.ReadFile("../policy/blocker.go")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range regexp.MustCompile(`BlockerCode = "([a-z-]+)"`).FindAllSubmatch(source, -1) {
		words = append(words, string(m[1]))
	}
	for _, s := range []updater.State{
		updater.StateIdle, updater.StateChecking, updater.StateUpdating, updater.StateRebootRequired, updater.StateFailed,
	} {
		words = append(words, string(s))
	}
	for _, r := range []updater.Result{
		updater.ResultInstalled, updater.ResultFetched, updater.ResultFailed, updater.ResultCancelled, updater.ResultInterrupted,
	} {
		words = append(words, string(r))
	}
	page := manual(t)
	for _, w := range words {
		if !strings.Contains(page, "`"+w+"`") {
			t.Errorf("%s does not explain %s", manualPath, w)
		}
		if !regexp.MustCompile(`\b` + w + `\b`).MatchString(description) {
			t.Errorf("the description does not name %s", w)
		}
	}
	if len(words) < 10+8 {
		t.Errorf("only %d words", len(words))
	}
}
