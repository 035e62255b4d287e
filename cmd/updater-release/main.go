// SPDX-License-Identifier: LGPL-2.1-or-later

// Command updater-release is the release engineer's tool: it signs releases,
// lays them out in a web root that any static server can serve, judges such a
// web root as a client would, and says which machines are offered which
// version.
//
// It runs where the signing key is, never on the machines that update, and
// talks to nobody. Results go to standard output, JSON with --json; errors go
// to standard error, one line "error: …" and "hint:" lines with what can be
// done.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/cmd/internal/stamp"
)

// version is set by the linker.
var version = "" //nolint:gochecknoglobals // the linker can set nothing else

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the program; an interrupt ends ctx.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c, err := parse(args)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "error: %s\nhint: updater-release --help\n", console.Clean(err.Error()))
		return exitUsage
	case c.help:
		fmt.Fprint(stdout, usage)
		return exitOK
	case c.printVersion:
		fmt.Fprintln(stdout, "updater-release", stamp.Version(version))
		return exitOK
	}
	s := &session{options: c.options, argument: c.argument, arguments: c.arguments, in: stdin, out: console.New(stdout, c.json), log: stderr}
	err = c.do(ctx, s)
	switch {
	case errors.Is(err, errFindings):
		return exitError // they have been printed
	case err != nil:
		report(stderr, err)
		return exitError
	}
	return exitOK
}

// session is what a verb works with.
type session struct {
	options
	argument  string   // "" when it was left out
	arguments []string // of a verb that takes any number of them
	in        io.Reader
	out       *console.Output
	log       io.Writer // warnings, and progress where there is no terminal
}

// warn prints what the release engineer should know and may want.
func (s *session) warn(format string, args ...any) {
	fmt.Fprintf(s.log, "warning: %s\n", console.Clean(fmt.Sprintf(format, args...)))
}

// errFindings ends a verb that has printed what it found wrong.
var errFindings = errors.New("something was found")

// hinted is an error with what can be done about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// report prints what went wrong and what can be done about it.
func report(w io.Writer, err error) {
	fmt.Fprintf(w, "error: %s\n", console.Clean(err.Error()))
	var h hinted
	if errors.As(err, &h) {
		fmt.Fprintf(w, "hint: %s\n", h.hint)
	}
}
