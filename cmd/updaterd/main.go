// SPDX-License-Identifier: LGPL-2.1-or-later

// Updaterd keeps an A/B image-based system up to date. It serves
// org.clipos.Updater1 on the system bus, or, with --once, checks and updates
// once and ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// version is set by the linker.
var version = "" //nolint:gochecknoglobals // the linker can set nothing else

const usage = `Usage: updaterd [--config DIR] [--remote DIR] [--state DIR] [--root DIR]
                [--bus system|ADDRESS] [--once] [--verbose]

Keeps an A/B image-based system up to date and serves org.clipos.Updater1.

  --config DIR   system configuration and public key (default /usr/lib/updater)
  --remote DIR   server addresses, root certificate, policy (default /etc/updater)
  --state DIR    state and cache (default /var/lib/updater)
  --root DIR     take DIR for the whole system, also for the defaults above
  --bus ADDRESS  D-Bus address; "system" is the system bus (default system)
  --once         no bus: one check, and one update if there is one
  --verbose      log more
  --version      print the version

It writes block devices and the EFI system partition of the system it is told
to keep up to date.
`

// Exit status, as other programs rely on it.
const (
	exitOK = iota
	exitError
	exitUsage
)

type options struct {
	paths         updater.Paths
	bus           string
	once, verbose bool
}

func main() {
	// Nobody's environment decides when a maintenance window is: package time
	// reads these two.
	os.Unsetenv("TZ")       //nolint:errcheck // fails for impossible names only
	os.Unsetenv("ZONEINFO") //nolint:errcheck // as above
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, status, ok := parse(args, stdout, stderr)
	if !ok {
		return status
	}
	log := newLog(stderr, o.verbose)
	work := serve
	if o.once {
		work = once
	}
	if err := work(ctx, o, log); err != nil {
		explain(stderr, err)
		return exitError
	}
	return exitOK
}

// explain prints the one line that says what went wrong, with the public name
// of the error, and what to do about it.
func explain(stderr io.Writer, err error) {
	name := dbusapi.ErrorName(err)
	fmt.Fprintf(stderr, "error: %s (%s)\n", oneLine(err.Error()), name)
	for _, hint := range dbusapi.Hint(name) {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
}

// oneLine keeps joined errors on the line that programs read.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }

func parse(args []string, stdout, stderr io.Writer) (o options, status int, ok bool) {
	flags := flag.NewFlagSet("updaterd", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	config := flags.String("config", "", "")
	remote := flags.String("remote", "", "")
	state := flags.String("state", "", "")
	root := flags.String("root", "/", "")
	showVersion := flags.Bool("version", false, "")
	flags.StringVar(&o.bus, "bus", dbusapi.SystemBus, "")
	flags.BoolVar(&o.once, "once", false, "")
	flags.BoolVar(&o.verbose, "verbose", false, "")
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return o, exitOK, false
	case err != nil:
		fmt.Fprintf(stderr, "error: %v\nhint: updaterd --help lists the options\n", err)
		return o, exitUsage, false
	case *showVersion:
		fmt.Fprintln(stdout, "updaterd", daemonVersion())
		return o, exitOK, false
	}
	o.paths = updater.NewPaths(*root, *config, *remote, *state)
	if o.bus == dbusapi.SystemBus {
		// A fake system has a bus of its own, or none; never this machine's.
		o.bus = dbusapi.SystemAddress(*root)
	}
	return o, exitOK, true
}

// daemonVersion is the version the linker was told, else what Go knows.
func daemonVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}
