// SPDX-License-Identifier: LGPL-2.1-or-later

// Updaterd keeps an A/B image-based system up to date. It serves
// org.clipos.Updater1 on the system bus, or, with --once, checks and updates
// once and ends. As "updaterd fetch" it is the process without rights that
// speaks with the update server for the other.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/clipos/updater/cmd/internal/stamp"
	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// version is set by the linker.
var version = "" //nolint:gochecknoglobals // the linker can set nothing else

const usage = `Usage: updaterd [--config DIR] [--remote DIR] [--state DIR] [--root DIR]
                [--fetch-socket PATH] [--bus system|ADDRESS] [--once] [--verbose]
       updaterd fetch [--remote DIR] [--verbose]

Keeps an A/B image-based system up to date and serves org.clipos.Updater1. As
"fetch" it is the one that speaks with the server, on a socket of systemd's.

  --config DIR   system configuration and public key (default /usr/lib/updater)
  --remote DIR   server addresses, root certificate, policy (default /etc/updater)
  --state DIR    state and cache (default /var/lib/updater)
  --root DIR     take DIR for the whole system, also for the defaults above
  --fetch-socket PATH
                 let "updaterd fetch" speak with the server, when config.toml
                 does not say who does
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
	fetch         bool
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
	switch {
	case o.fetch:
		work = fetch
	case o.once:
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
	fetchSocket := flags.String("fetch-socket", "", "")
	state := flags.String("state", "", "")
	root := flags.String("root", "/", "")
	showVersion := flags.Bool("version", false, "")
	flags.StringVar(&o.bus, "bus", dbusapi.SystemBus, "")
	flags.BoolVar(&o.once, "once", false, "")
	flags.BoolVar(&o.verbose, "verbose", false, "")
	if len(args) > 0 && args[0] == fetchCommand {
		o.fetch, args = true, args[1:]
	}
	err := flags.Parse(args)
	switch {
	case err != nil:
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *fetchSocket != "" && !filepath.IsAbs(*fetchSocket):
		err = fmt.Errorf("--fetch-socket %q is not an absolute path", *fetchSocket)
	case o.fetch:
		err = checkFetchOptions(flags)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return o, exitOK, false
	case err != nil:
		fmt.Fprintf(stderr, "error: %v\nhint: updaterd --help lists the options\n", err)
		return o, exitUsage, false
	case *showVersion:
		fmt.Fprintln(stdout, "updaterd", stamp.Version(version))
		return o, exitOK, false
	}
	o.paths = updater.NewPaths(*root, *config, *remote, *state)
	o.paths.FetchSocket = *fetchSocket
	if o.bus == dbusapi.SystemBus {
		// A fake system has a bus of its own, or none; never this machine's.
		o.bus = dbusapi.SystemAddress(*root)
	}
	return o, exitOK, true
}

// checkFetchOptions refuses what would have no effect.
func checkFetchOptions(flags *flag.FlagSet) (err error) {
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "remote", "root", "verbose", "version":
		default:
			err = fmt.Errorf("--%s is not an option of updaterd %s", f.Name, fetchCommand)
		}
	})
	return err
}
