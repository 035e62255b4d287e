// SPDX-License-Identifier: LGPL-2.1-or-later

// Command updater-notify tells the user of a desktop what the update service of
// the machine does, and asks what only the user can decide.
//
// # Who takes part
//
// updaterd on the system bus (org.clipos.Updater1) says what there is to know;
// systemd-logind beside it says whether the user has the screen and whether he
// works, and restarts the computer; the notification server on the session bus
// (org.freedesktop.Notifications) shows it and says what the user clicked. This
// program decides nothing about updates and has no rights: what the user clicks
// is asked of the services, and they ask polkit.
//
// # Order
//
// Whatever happens ends in one loop. There [decide], a function without any
// input or output of its own, makes of the service's state, the session's, the
// clock and the user's answers what should be visible: at most one [card]. The
// loop puts it in words and gives it to the server, in the place of the one
// before. The answers are kept in one small file
// ($XDG_STATE_HOME/updater-notify/state.json), so that nobody is told twice.
//
// # Threat
//
// What the services say may come from a server, a file or another program: it
// is cut, cleaned and, where the server reads markup, escaped. Signals are
// heeded only from the unique name of who owns the name; those of logind only
// mean that it is asked again. No message is larger than 64 KiB, and no
// descriptor is taken (see package dbusapi).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/clipos/updater/cmd/internal/stamp"
	"github.com/clipos/updater/dbusapi"
)

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// version is set by the linker.
var version = "" //nolint:gochecknoglobals // -X of the linker needs a variable

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], sessionEnvironment(), os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the program; an interrupt ends ctx.
func run(ctx context.Context, args []string, env environment, stdout, stderr io.Writer) int {
	o, err := parse(args, env)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "error: %v\nhint: updater-notify --help\n", err)
		return exitUsage
	case o.help:
		fmt.Fprint(stdout, usageText)
		return exitOK
	case o.version:
		fmt.Fprintln(stdout, programName, stamp.Version(version))
		return exitOK
	}
	if err := o.execute(ctx, env, stdout, stderr); err != nil {
		name := dbusapi.ErrorName(err)
		fmt.Fprintf(stderr, "error: %s (%s)\n", clean(err.Error(), messageRunes), clean(name, nameRunes))
		for _, hint := range dbusapi.Hint(name) {
			fmt.Fprintf(stderr, "hint: %s\n", hint)
		}
		return exitError
	}
	return exitOK
}

func (o options) execute(ctx context.Context, env environment, stdout, stderr io.Writer) error {
	w, err := newWords(env.locales)
	if err != nil {
		return err
	}
	if o.status {
		return followStatus(ctx, o, w, stdout)
	}
	err = newApplet(o, w, slog.New(slog.NewTextHandler(stderr, nil))).run(ctx)
	if errors.Is(err, errSecond) {
		// Started by the desktop and by systemd, say: one is enough.
		fmt.Fprintln(stderr, err)
		return nil
	}
	return err
}
