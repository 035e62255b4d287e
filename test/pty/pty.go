// SPDX-License-Identifier: LGPL-2.1-or-later

// Package pty is a terminal for tests, with a user who looks at it and types.
package pty

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long is waited for what should be shown.
const patience = 30 * time.Second

// Screen is the user's side: what has been shown, and a keyboard.
type Screen struct {
	controller *os.File
	mu         sync.Mutex
	shown      bytes.Buffer
}

// Open opens a terminal of 80 columns, which is closed at the end of the test.
func Open(t *testing.T) (terminal *os.File, s *Screen) {
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
	s = &Screen{controller: controller}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.drain()
	}()
	t.Cleanup(func() {
		terminal.Close() // drain ends when nobody has it open
		<-drained
		controller.Close()
	})
	return terminal, s
}

// drain takes what is written until nobody can write any more.
func (s *Screen) drain() {
	buffer := make([]byte, 4096)
	for {
		n, err := s.controller.Read(buffer)
		s.mu.Lock()
		s.shown.Write(buffer[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// String is what has been shown so far.
func (s *Screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// Type types a text.
func (s *Screen) Type(t *testing.T, text string) {
	t.Helper()
	if _, err := s.controller.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// Await waits until a text has been shown.
func (s *Screen) Await(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(s.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %q in %q", text, s.String())
		}
	}
}
