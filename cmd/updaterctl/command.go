// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clipos/updater/dbusapi"
)

// command is a command line that has been understood.
type command struct {
	verb          verb
	argument      string // the verb's, "" when it was left out
	bus           string
	json          bool
	noAskPassword bool
	help          bool
	version       bool
	follow        bool
	limit         uint32    // 0: all
	until         time.Time // zero: without an end
}

// verb is something updaterctl does.
type verb struct {
	name string
	do   func(context.Context, *session) error
	// argument is what the usage text calls it, in brackets when it may be left
	// out, "" when there is none.
	argument string
	// option belongs to this verb alone, "" for none.
	option string
}

func verbs() []verb {
	return []verb{
		{name: "status", do: status},
		{name: "check", do: check},
		{name: "update", do: update, argument: "[VERSION]", option: "follow"},
		{name: "plan", do: plan, argument: "[VERSION]"},
		{name: "cancel", do: cancel, argument: "[TRANSACTION]"},
		{name: "versions", do: versions},
		{name: "history", do: history, option: "limit"},
		{name: "rollback", do: rollback, argument: "[VERSION]"},
		{name: "hold", do: hold, argument: "REASON", option: "until"},
		{name: "unhold", do: unhold},
		{name: "mark-good", do: markGood},
		{name: "mark-bad", do: markBad, argument: "[REASON]"},
		{name: "forget", do: forget, argument: "VERSION"},
		{name: "reload", do: reload},
		{name: "monitor", do: monitor},
	}
}

// flags are the options, to be stored in c.
func (c *command) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("updaterctl", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.bus, "bus", dbusapi.SystemBus, "")
	flags.BoolVar(&c.json, "json", false, "")
	flags.BoolVar(&c.noAskPassword, "no-ask-password", false, "")
	flags.BoolVar(&c.version, "version", false, "")
	flags.BoolVar(&c.follow, "follow", false, "")
	flags.Func("limit", "", func(s string) error {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n == 0 {
			return errors.New("not a number above 0")
		}
		c.limit = uint32(n)
		return nil
	})
	flags.Func("until", "", func(s string) (err error) {
		c.until, err = parseUntil(s, time.Now())
		return err
	})
	return flags
}

// parse understands args. Options may stand before and after the verb.
func parse(args []string) (command, error) {
	var c command
	flags := c.flags()
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
	if c.version {
		return c, nil
	}
	if err := c.understand(words); err != nil {
		return command{}, err
	}
	return c, c.suits(flags)
}

// understand takes the verb and its argument from words.
func (c *command) understand(words []string) error {
	if len(words) == 0 {
		return errors.New("no verb")
	}
	name, rest := words[0], words[1:]
	i := slices.IndexFunc(verbs(), func(v verb) bool { return v.name == name })
	if i < 0 {
		return fmt.Errorf("unknown verb %q", name)
	}
	c.verb = verbs()[i]
	wanted := strings.Trim(c.verb.argument, "[]")
	switch {
	case wanted != "" && len(rest) > 0:
		c.argument, rest = rest[0], rest[1:]
		if c.argument == "" {
			// A script's unset variable is not meant to be the default.
			return fmt.Errorf("%s: the %s is empty", name, strings.ToLower(wanted))
		}
	case wanted != "" && wanted == c.verb.argument:
		return fmt.Errorf("%s: %s is missing", name, wanted)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s: unexpected argument %q", name, rest[0])
	}
	return nil
}

// suits tells that the options that were given go with the verb.
func (c *command) suits(flags *flag.FlagSet) (err error) {
	flags.Visit(func(f *flag.Flag) {
		owner := slices.IndexFunc(verbs(), func(v verb) bool { return v.option == f.Name })
		if owner >= 0 && c.verb.option != f.Name {
			err = fmt.Errorf("%s: --%s goes with %s", c.verb.name, f.Name, verbs()[owner].name)
		}
	})
	return err
}
