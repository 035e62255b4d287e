// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipos/updater/dbusapi"
)

// options are what the command line says.
type options struct {
	bus, desktop string
	// state is the file with what is remembered.
	state                         string
	status, waybar, help, version bool
}

// environment is what the session tells its programs by variables.
type environment struct {
	// desktop is the address of the session bus.
	desktop string
	// stateHome is the folder for what programs remember.
	stateHome string
	// locales are the languages the user wants, the preferred first.
	locales []string
}

// sessionEnvironment reads the environment. A program of the user's session
// does what the session says; the daemon reads none of it.
func sessionEnvironment() environment {
	get := os.Getenv //nolint:forbidigo // see above: these variables are how a session is configured
	e := environment{
		desktop:   get("DBUS_SESSION_BUS_ADDRESS"),
		stateHome: get("XDG_STATE_HOME"),
		locales:   locales(get),
	}
	if e.desktop == "" {
		e.desktop = "unix:path=" + filepath.Join(get("XDG_RUNTIME_DIR"), "bus")
	}
	// Relative paths are to be ignored (XDG Base Directory Specification).
	if !filepath.IsAbs(e.stateHome) {
		e.stateHome = filepath.Join(get("HOME"), ".local/state")
	}
	return e
}

// locales are the names of locales that say the language of messages, in the
// order of gettext: LANGUAGE, unless the locale is C; else the first of LC_ALL,
// LC_MESSAGES and LANG that is set.
func locales(get func(string) string) []string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		locale := get(name)
		switch {
		case locale == "":
			continue
		case locale == "C" || locale == "POSIX":
			return []string{locale}
		}
		return append(strings.FieldsFunc(get("LANGUAGE"), func(r rune) bool { return r == ':' }), locale)
	}
	return nil
}

// parse understands the command line.
func parse(args []string, env environment) (options, error) {
	var o options
	flags := flag.NewFlagSet(programName, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.bus, "bus", dbusapi.SystemBus, "")
	flags.StringVar(&o.desktop, "session-bus", env.desktop, "")
	flags.BoolVar(&o.status, "status", false, "")
	flags.BoolVar(&o.waybar, "waybar", false, "")
	flags.BoolVar(&o.version, "version", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		o.help = true
		return o, nil
	case err != nil:
		return o, err
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.waybar && !o.status:
		return o, errors.New("--waybar goes with --status")
	}
	o.state = filepath.Join(env.stateHome, programName, "state.json")
	return o, nil
}

// usageText changes only by getting more; docs/man/updater-notify.1.md says the
// same.
const usageText = `Usage: updater-notify [OPTION]...

Shows desktop notifications about the system's updates, in the user's language,
until the session ends.

Options:
  --status               instead: print the state, a line for each change, for
                         panels
      --waybar             as JSON: text, tooltip, class, alt, percentage
  --bus ADDRESS          the system bus: system (the default) or unix:path=...
  --session-bus ADDRESS  the session bus, by default that of the environment
  --version              print the version
  --help                 this text

Exit status: 0 when it was told to end, or runs in this session already; 1 when
it could not go on; 2 when it was called wrongly.
`
