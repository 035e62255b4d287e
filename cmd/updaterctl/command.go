// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/clipos/updater/dbusapi"
)

// usage is also where the JSON output is documented; it changes only by getting
// more.
const usage = `Usage: updaterctl [OPTION]... VERB

Verbs:
  status             what the update service knows
  check              ask the server now
  update [VERSION]   install a version, by default the newest
      --follow         stay and show progress until it has ended; Ctrl-C leaves
                       the update running
  cancel             end the update that runs
  versions           list the installed versions
  monitor            show what happens until Ctrl-C

Options, before or after the verb:
  --bus ADDRESS      the bus to use: system (the default) or unix:path=...
  --json             print JSON, see below
  --help             this text

Exit status: 0 when it worked, 1 when it did not, 2 when it was called wrongly.
update --follow: 0 when the update was installed, 1 when not, or not yet.

JSON: one object, or for monitor and update --follow one object a line. Sizes
are bytes, times RFC 3339 or null, unknown numbers 0, missing texts "". An error
is null or {"name", "message"}, the name as in the "error:" line.
  status    daemon_version os_name running_version state stage transaction
            progress (0 to 1) bytes_done bytes_total bytes_per_second
            remaining_seconds cancelable available_version pending_version
            fallback_version reboot_required last_error last_check last_success
            next_check stale
  check     available version running download_bytes
  update    transaction
  cancel    cancelled
  versions  an array of: version state volume entry size_bytes tries_left
            tries_done (-1: the entry is not counted)
  monitor, update --follow; "event" says which of these it is:
            accepted (transaction; update --follow only), status (status, as
            above), progress (transaction stage progress bytes_done
            bytes_total), completed (transaction version error),
            update-available (as check), reboot-required (version), vanished
            and returned (the service left the bus, or is there again)
`

// command is a command line that has been understood.
type command struct {
	verb    verb
	version string // to update to, "" for the newest
	bus     string
	json    bool
	follow  bool
	help    bool
}

// verb is something updaterctl does.
type verb struct {
	do func(context.Context, *session) error
	// update takes a version and --follow.
	update bool
}

func verbs() map[string]verb {
	return map[string]verb{
		"status":   {do: status},
		"check":    {do: check},
		"update":   {do: update, update: true},
		"cancel":   {do: cancel},
		"versions": {do: versions},
		"monitor":  {do: monitor},
	}
}

// parse understands args. Options may stand before and after the verb.
func parse(args []string) (command, error) {
	var c command
	flags := flag.NewFlagSet("updaterctl", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.bus, "bus", dbusapi.SystemBus, "")
	flags.BoolVar(&c.json, "json", false, "")
	flags.BoolVar(&c.follow, "follow", false, "")
	var words []string
	for {
		err := flags.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			c.help = true
			return c, nil
		}
		if err != nil {
			return command{}, err
		}
		if args = flags.Args(); len(args) == 0 {
			break
		}
		words, args = append(words, args[0]), args[1:]
	}
	return c, c.understand(words)
}

// understand takes the verb and its argument from words.
func (c *command) understand(words []string) error {
	if len(words) == 0 {
		return errors.New("no verb")
	}
	var known bool
	if c.verb, known = verbs()[words[0]]; !known {
		return fmt.Errorf("unknown verb %q", words[0])
	}
	rest := words[1:]
	if c.verb.update && len(rest) > 0 {
		c.version, rest = rest[0], rest[1:]
		if c.version == "" {
			// A script's unset variable is not meant to be the newest version.
			return errors.New("the version is empty")
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s: unexpected argument %q", words[0], rest[0])
	}
	if c.follow && !c.verb.update {
		return fmt.Errorf("%s: --follow goes with update", words[0])
	}
	return nil
}
