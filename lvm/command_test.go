// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What LVM says, captured as testdata/capture tells, and what it comes to.
func TestMeaning(t *testing.T) {
	unknown := errors.New("exit status 5")
	for file, want := range map[string]error{
		"closed.txt":           ErrNoSpace,
		"exists-create.txt":    fs.ErrExist,
		"exists-rename.txt":    fs.ErrExist,
		"full.txt":             ErrNoSpace,
		"missing-activate.txt": ErrNotFound,
		"missing-rename.txt":   ErrNotFound,
		"no-group-create.txt":  ErrGroupNotFound,
		"no-group-rename.txt":  ErrGroupNotFound,
		"no-group-report.txt":  ErrGroupNotFound,
		"parameters.txt":       unknown,
		"scattered.txt":        ErrNoSpace,
	} {
		text, err := os.ReadFile(filepath.Join("testdata/stderr", file))
		if err != nil {
			t.Fatal(err)
		}
		if got := meaning(string(text), unknown); got != want { //nolint:errorlint // the very value
			t.Errorf("%s: %v, want %v", file, got, want)
		}
	}
	if files, _ := filepath.Glob("testdata/stderr/*"); len(files) != 11 {
		t.Errorf("%d captured complaints, 11 in the table", len(files))
	}
}

// script is a tool that does what the shell text says.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lvm")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunToolSurroundings(t *testing.T) {
	t.Setenv("LVM_SYSTEM_DIR", "/elsewhere")
	t.Setenv("LD_PRELOAD", "")
	leak, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	path := script(t, `
		echo "arguments: $*"
		env -u _ -u PWD -u OLDPWD -u SHLVL | sort
		pwd
		[ "$(readlink /proc/$$/fd/0)" = /dev/null ] && echo no input
		readlink /proc/$$/fd/* | grep zero
		[ "$(cut -d ' ' -f 5 /proc/$$/stat)" = $$ ] && echo own group
	`)
	want := `arguments: one -- two three
LC_ALL=C
LVM_SUPPRESS_FD_WARNINGS=1
PATH=/usr/sbin:/usr/bin:/sbin:/bin
/
no input
own group
`
	for name, flush := range flushes() {
		output, err := runTool(t.Context(), path, flush, "one", "--", "two three")
		if err != nil || string(output) != want {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
	}
}

// flushes are the two ways to run the tool.
func flushes() map[string]func() error {
	return map[string]func() error{"writes as it likes": nil, "writes are held": func() error { return nil }}
}

func TestRunToolFails(t *testing.T) {
	for _, c := range []struct {
		name, script string
		exitCode     int
		stderr       string
		is           error
	}{
		{"a meaning", `echo '  Volume group "x" not found' >&2; exit 5`, 5, "  Volume group \"x\" not found\n", ErrGroupNotFound},
		{"another failure", "echo stdout; echo oops >&2; exit 3", 3, "oops\n", nil},
		{"much to say", `yes | head -c 10000 >&2; exit 5`, 5, strings.Repeat("y\n", 2048), nil},
		{"ended by a signal", "kill -KILL $$", -1, "", nil},
	} {
		for how, flush := range flushes() {
			t.Run(c.name+", "+how, func(t *testing.T) {
				output, err := runTool(t.Context(), script(t, c.script), flush, "vgs", "--", "x")
				var e *CommandError
				if !errors.As(err, &e) || output != nil {
					t.Fatalf("%q, %v", output, err)
				}
				if e.ExitCode != c.exitCode || e.Stderr != c.stderr || strings.Join(e.Args, " ") != "vgs -- x" {
					t.Errorf("%+v", e)
				}
				if c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("%v, want %v", err, c.is)
				}
				if c.stderr != "" && strings.Contains(err.Error(), strings.TrimSpace(c.stderr)) {
					t.Errorf("raw output in %q", err)
				}
			})
		}
	}
}

func TestRunToolMissing(t *testing.T) {
	for how, flush := range flushes() {
		_, err := runTool(t.Context(), filepath.Join(t.TempDir(), "lvm"), flush, "vgs")
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want %v", how, err, fs.ErrNotExist)
		}
	}
}

// A command is interrupted, not killed, and may tidy up.
func TestRunToolCancelled(t *testing.T) {
	for how, flush := range flushes() {
		t.Run(how, func(t *testing.T) { testRunToolCancelled(t, flush) })
	}
}

func testRunToolCancelled(t *testing.T, flush func() error) {
	t.Helper()
	// A shell starts background jobs with SIGINT ignored, and their children
	// with it. Whoever listens to it ends that.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for _, err := os.Stat(folder + "/started"); err != nil; _, err = os.Stat(folder + "/started") {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := runTool(ctx, script(t, `
		trap 'touch `+folder+`/tidied; exit 5' INT
		touch `+folder+`/started
		while :; do sleep 0.01; done
	`), flush, "vgs")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	if _, err := os.Stat(folder + "/tidied"); err != nil {
		t.Error(err)
	}
}
