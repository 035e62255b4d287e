// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// options are those that every verb takes.
type options struct {
	webroot, channels, product string
	json                       bool
}

// command is a command line that has been understood.
type command struct {
	options
	do                 action
	argument           string   // the verb's, "" when it was left out
	arguments          []string // of a verb that takes any number of them
	help, printVersion bool
}

// action is what a verb does.
type action func(context.Context, *session) error

// verb is something updater-release does.
type verb struct {
	name string
	// argument is what the usage text calls it, in brackets when it may be left
	// out, "" when there is none, and with "..." when there may be more than one.
	argument string
	// options defines the options that belong to this verb alone, and returns
	// what it does with them.
	options func(*flag.FlagSet) action
}

func verbs() []verb {
	return []verb{
		{name: "keygen", options: keygen},
		{name: "add", argument: "VERSION", options: add},
		{name: "verify", options: verify},
		{name: "promote", argument: "VERSION", options: promote},
		{name: "list", options: list},
		{name: "prune", options: prune},
		{name: "serve", options: serve},
		{name: "nginx", options: nginxVerb},
		{name: "fleet", argument: "LOG...", options: fleetVerb},
	}
}

// common are the options of every verb, to be stored in c.
func (c *command) common(flags *flag.FlagSet) {
	flags.StringVar(&c.webroot, "webroot", "webroot", "")
	flags.StringVar(&c.channels, "channels", "channels.toml", "")
	flags.StringVar(&c.product, "product", "", "")
	flags.BoolVar(&c.json, "json", false, "")
	flags.BoolVar(&c.printVersion, "version", false, "")
}

// parse understands args: common options, the verb, and then its options and
// its argument in any order.
func parse(args []string) (command, error) {
	var c command
	flags := flag.NewFlagSet("updater-release", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	c.common(flags)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help = true
		return c, nil
	case err != nil || c.printVersion:
		return c, err
	case flags.NArg() == 0:
		return c, errors.New("no verb")
	}
	name := flags.Arg(0)
	i := slices.IndexFunc(verbs(), func(v verb) bool { return v.name == name })
	if i < 0 {
		return c, fmt.Errorf("unknown verb %q", name)
	}
	v := verbs()[i]
	c.do = v.options(flags)
	words, err := interleaved(flags, flags.Args()[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help = true
		return c, nil
	case err != nil:
		return c, fmt.Errorf("%s: %w", name, err)
	}
	return c, c.take(v, words)
}

// interleaved parses options wherever they stand and returns the other words.
func interleaved(flags *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return words, nil
		}
		words, args = append(words, flags.Arg(0)), flags.Args()[1:]
	}
}

// parseNumber stores the number that an option's value is, if it is from least
// to most.
func parseNumber(to *int, least, most int) func(string) error {
	return func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return fmt.Errorf("not a number from %d to %d", least, most)
		}
		*to = n
		return nil
	}
}

// isGiven tells whether an option stands on the command line.
func isGiven(flags *flag.FlagSet, name string) (given bool) {
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// take finds the verb's argument in words.
func (c *command) take(v verb, words []string) error {
	wanted := strings.Trim(v.argument, "[].")
	if slices.Contains(words, "") {
		// A script's unset variable is not meant to be the default.
		return fmt.Errorf("%s: the %s is empty", v.name, strings.ToLower(cmp.Or(wanted, "argument")))
	}
	switch {
	case len(words) == 0 && wanted != "" && !strings.HasPrefix(v.argument, "["):
		return fmt.Errorf("%s: %s is missing", v.name, wanted)
	case strings.HasSuffix(v.argument, "..."):
		c.arguments, words = words, nil
	case wanted != "" && len(words) > 0:
		c.argument, words = words[0], words[1:]
	}
	if len(words) > 0 {
		return fmt.Errorf("%s: unexpected argument %q", v.name, words[0])
	}
	return nil
}
