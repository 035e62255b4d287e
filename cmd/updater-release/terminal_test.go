// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/test/pty"
)

// outcome is what a run printed, and its exit status.
type outcome struct {
	status         int
	stdout, stderr string
}

// The new password is asked for twice, and not shown.
func TestKeygenAsks(t *testing.T) {
	for name, c := range map[string]struct{ first, second, complaint string }{
		"another the second time": {"secret one", "secret two", "error: the passwords differ\n"},
		"none":                    {"", "", "error: no password\nhint: --no-password makes a key without one\n"},
	} {
		t.Run(name, func(t *testing.T) {
			terminal, screen := pty.Open(t)
			key := filepath.Join(t.TempDir(), "x.key")
			done := make(chan outcome, 1)
			go func() {
				var stdout bytes.Buffer
				status := run(t.Context(), []string{"keygen", "--key", key}, terminal, &stdout, terminal)
				done <- outcome{status, stdout.String(), ""}
			}()
			screen.Await(t, "New password of "+key+": ")
			screen.Type(t, c.first+"\n")
			if c.first != "" {
				screen.Await(t, "Once more: ")
				screen.Type(t, c.second+"\n")
			}
			if got := <-done; got.status != exitError || got.stdout != "" {
				t.Errorf("%+v", got)
			}
			screen.Await(t, strings.ReplaceAll(c.complaint, "\n", "\r\n"))
			if strings.Contains(screen.String(), "secret") {
				t.Errorf("shown: %q", screen.String())
			}
			if _, err := os.Stat(key); err == nil {
				t.Error("there is a key")
			}
		})
	}
}

// An interrupt ends the question, and the terminal shows again what is typed.
func TestInterruptedQuestion(t *testing.T) {
	for name, answers := range map[string][]string{"New password of ": nil, "Once more: ": {"secret one\n"}} {
		t.Run(name, func(t *testing.T) {
			terminal, screen := pty.Open(t)
			defer screen.Type(t, "\n") // for the read that was left
			key := filepath.Join(t.TempDir(), "x.key")
			ctx, interrupt := context.WithCancel(t.Context())
			var stdout bytes.Buffer
			done := make(chan int, 1)
			go func() { done <- run(ctx, []string{"keygen", "--key", key}, terminal, &stdout, terminal) }()
			for _, a := range answers {
				screen.Await(t, "New password of "+key+": ")
				screen.Type(t, a)
			}
			screen.Await(t, name)
			for echoes(t, terminal) { // not asked yet
				runtime.Gosched()
			}
			interrupt()
			screen.Await(t, "error: context canceled\r\n")
			if status := <-done; status != exitError || stdout.Len() > 0 {
				t.Errorf("%d %q", status, stdout.String())
			}
			if !echoes(t, terminal) {
				t.Error("the terminal does not show what is typed")
			}
			if _, err := os.Stat(key); err == nil {
				t.Error("there is a key")
			}
		})
	}
}

// echoes tells whether a terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// An interrupt that comes before there is anything to ask leaves no key.
func TestKeygenInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	key := filepath.Join(t.TempDir(), "x.key")
	var stdout, stderr bytes.Buffer
	status := run(ctx, []string{"keygen", "--no-password", "--key", key, "--pubkey", key + ".pub"}, nil, &stdout, &stderr)
	if status != exitError || stderr.String() != "error: context canceled\n" {
		t.Errorf("%d %q", status, stderr.String())
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("there is a key")
	}
}

func TestNobodyToAsk(t *testing.T) {
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"keygen", "--key", filepath.Join(t.TempDir(), "x.key")}, strings.NewReader("x\nx\n"), &stdout, &stderr)
	want := "error: no terminal to ask for the password\nhint: --password-file FILE, which may be /dev/fd/3\n"
	if status != exitError || stderr.String() != want {
		t.Errorf("%d %q", status, stderr.String())
	}
}

// A bar for each step, and a line when it has ended.
func TestBars(t *testing.T) {
	t.Setenv("TERM", "xterm")
	terminal, screen := pty.Open(t)
	s := &session{log: terminal}
	p := s.progress()
	p.Begin("make a patch")
	p.Done(1500, 3000)
	screen.Await(t, "1.5 kB of 3.0 kB")
	p.End("3 kB")
	screen.Await(t, "make a patch: 3 kB\r\n")
	p.Begin("verify")
	p.Done(9, 3) // a part that was done twice
	screen.Await(t, "3 B of 3 B")
	p.Begin("the next")
	p.End("good")
	screen.Await(t, "the next: good\r\n")
}

// Elsewhere there is a line for each step, and beside JSON none.
func TestLines(t *testing.T) {
	for json, want := range map[bool]string{false: "verify: good\n", true: ""} {
		var log bytes.Buffer
		s := &session{options: options{json: json}, log: &log}
		p := s.progress()
		p.Begin("verify")
		p.Done(1, 2)
		p.End("good")
		if log.String() != want {
			t.Errorf("json %t: %q, want %q", json, log.String(), want)
		}
	}
}
