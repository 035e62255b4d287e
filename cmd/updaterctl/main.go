// SPDX-License-Identifier: LGPL-2.1-or-later

// Command updaterctl shows and steers the update service of this machine over
// D-Bus. It keeps no state and needs no right of its own: whether the user may
// do something is decided by the service.
//
// What people read goes to standard output, as does JSON with --json; errors go
// to standard error, one line "error: … (Name)" and "hint:" lines with what can
// be done. Text that comes from the service is printed without control
// characters: it may have come from a server.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/cmd/internal/stamp"
	"github.com/clipos/updater/dbusapi"
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
		fmt.Fprintf(stderr, "error: %v\nhint: updaterctl --help\n", err)
		return exitUsage
	case c.help:
		fmt.Fprint(stdout, usage)
		return exitOK
	case c.version:
		fmt.Fprintln(stdout, "updaterctl", stamp.Version(version))
		return exitOK
	}
	if err := c.execute(ctx, stdin, newOutput(stdout, c.json)); err != nil {
		report(stderr, err)
		return exitError
	}
	return exitOK
}

// execute connects and does what the command says.
func (c *command) execute(ctx context.Context, stdin io.Reader, out *output) error {
	client, err := dbusapi.Dial(ctx, c.bus)
	if err != nil {
		return err
	}
	defer client.Close()
	if console.IsTerminal(stdin) && !c.noAskPassword {
		client.AllowInteraction()
	}
	return c.verb.do(ctx, &session{command: *c, client: client, out: out})
}

// session is what a verb works with.
type session struct {
	command
	client *dbusapi.Client
	out    *output
}
