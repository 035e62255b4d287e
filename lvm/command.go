// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"time"
)

const (
	// changeLimit bounds a change of metadata. It takes well under a second;
	// waiting for somebody else's lock on the group is what takes longer.
	changeLimit = 5 * time.Minute
	// killDelay is how long a command that was asked to end may take before
	// it is killed.
	killDelay = 10 * time.Second
	// stderrLimit is what is kept of a command's complaints.
	stderrLimit = 4096
)

// environment is all that the tool gets. In the C locale its messages are
// those that stderrMeanings knows. LVM complains of every descriptor it
// inherits: ours are closed on exec, and what whoever started us left open is
// not worth a line.
var environment = []string{
	"LC_ALL=C",
	"LVM_SUPPRESS_FD_WARNINGS=1",
	"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
}

// CommandError is a run of the lvm tool that did not succeed.
type CommandError struct {
	// Args is the command line after "lvm".
	Args []string
	// ExitCode is -1 when the tool did not start or was ended by a signal.
	// LVM's own are in lvm(8): 3 for parameters, 5 for everything else.
	ExitCode int
	// Stderr is what the tool said, at most 4 KiB of it: raw, for the
	// journal only.
	Stderr string
	// Err is what it means: an error of this package or of package context,
	// [fs.ErrExist], or what the operating system said.
	Err error
}

func (e *CommandError) Error() string { return fmt.Sprintf("lvm %s: %v", e.Args[0], e.Err) }

// Unwrap returns what the failure means.
func (e *CommandError) Unwrap() error { return e.Err }

// stderrMeanings are the complaints that a caller can do something about, by
// lvm2's source file; the exit code is 5 for all of them.
var stderrMeanings = []struct {
	line    *regexp.Regexp
	meaning error
}{
	{regexp.MustCompile(`(?m)^ *Volume group "[^"]*" not found`), ErrGroupNotFound},                          // tools/toollib.c
	{regexp.MustCompile(`(?m)^ *Existing logical volume "[^"]*" not found in volume group`), ErrNotFound},    // tools/lvrename.c
	{regexp.MustCompile(`(?m)^ *Failed to find logical volume "`), ErrNotFound},                              // tools/toollib.c
	{regexp.MustCompile(`(?m)^ *Logical [Vv]olume "[^"]*" already exists in volume group`), fs.ErrExist},     // lib/metadata/lv_manip.c, tools/lvrename.c
	{regexp.MustCompile(`(?m)^ *Volume group "[^"]*" has insufficient free space`), ErrNoSpace},              // lib/metadata/lv_manip.c
	{regexp.MustCompile(`(?m)^ *Insufficient (free space|suitable [a-z ]*allocatable extents)`), ErrNoSpace}, // lib/metadata/lv_manip.c
}

// meaning returns what the tool's complaints come to, or otherwise.
func meaning(stderr string, otherwise error) error {
	for _, m := range stderrMeanings {
		if m.line.MatchString(stderr) {
			return m.meaning
		}
	}
	return otherwise
}

// runTool runs the tool at path to its end and returns its standard output.
// When ctx is done it is sent SIGINT, the one signal that LVM accepts while it
// waits for a lock and blocks while it writes metadata. Before each of its
// writes flush is called, unless it is nil; where that is impossible, the tool
// writes without.
func runTool(ctx context.Context, path string, flush func() error, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	cmd.Env = environment
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A process group of its own: Ctrl-C at a terminal is for the caller, who
	// decides what it means for a change that has begun.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return interrupt(cmd.Process.Pid) }
	cmd.WaitDelay = killDelay
	// Stdin stays /dev/null: a question that was not foreseen is a failure.
	err := errUnordered
	if flush != nil {
		err = runOrdered(cmd, flush)
	}
	if errors.Is(err, errUnordered) {
		err = cmd.Run()
	}
	if err != nil {
		return nil, commandError(ctx, args, err, stderr.String())
	}
	return stdout.Bytes(), nil
}

// interrupt reaches all of a process group: the tool may be a script around the
// tool.
func interrupt(group int) error {
	err := syscall.Kill(-group, syscall.SIGINT)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

func commandError(ctx context.Context, args []string, err error, stderr string) *CommandError {
	e := &CommandError{Args: args, ExitCode: -1, Stderr: stderr[:min(len(stderr), stderrLimit)]}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		e.ExitCode = exit.ExitCode()
	}
	if ctx.Err() != nil {
		e.Err = ctx.Err()
	} else {
		e.Err = meaning(stderr, err)
	}
	return e
}
