// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"os/exec"
	"testing"
)

// roleVariable makes this test program another one.
const roleVariable = "UPDATERD_TEST_ROLE"

// The other programs.
const (
	roleDaemon = "daemon" // updaterd
	roleLogger = "logger" // logs what TestJournal expects
)

// noRaceDelay spares a program with the race detector the second that it waits
// at its end.
const noRaceDelay = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case roleDaemon:
		main()
	case roleLogger:
		logEverything(newLog(os.Stderr, true))
	default:
		os.Exit(m.Run())
	}
}

// self is this program's file.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// command is a program of a Debian package.
func command(t *testing.T, debianPackage, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: install the Debian package %s", err, debianPackage)
	}
	return exec.CommandContext(t.Context(), path, args...)
}
