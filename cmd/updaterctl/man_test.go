// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/test/manual"
	"github.com/clipos/updater/test/shells"
)

const manPage = "../../docs/man/updaterctl.1.md"

// options are all there are, sorted, with the dashes: those for every verb, and
// those that belong to one, by its name.
func options() (global []string, own map[string]string) {
	own = map[string]string{}
	for _, v := range verbs() {
		if v.option != "" {
			own[v.name] = "--" + v.option
		}
	}
	global = []string{"--help"}
	new(command).flags().VisitAll(func(f *flag.Flag) {
		for _, o := range own {
			if o == "--"+f.Name {
				return
			}
		}
		global = append(global, "--"+f.Name)
	})
	slices.Sort(global)
	return global, own
}

func verbNames() (names []string) {
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	return names
}

// The usage text and the manual page have the verbs and options there are, and
// no others, in the same order.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile(manPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	global, own := options()
	all := slices.Clone(global)
	for _, o := range own {
		all = append(all, o)
	}
	slices.Sort(all)
	for name, c := range map[string][]string{
		"usage":       manual.Found(`(?m)^ +(--[a-z-]+)`, usage),
		"manual page": manual.Found(`(?m)^\*\*(--[a-z-]+)\*\*( \*[A-Z]+\*)?\n: `, manual.Section(t, page, "# OPTIONS", "\n# ")),
	} {
		if !slices.Equal(c, all) {
			t.Errorf("%s: %q, there are %q", name, c, all)
		}
	}
	var inUsage, inPage []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+( \[?[A-Z]+\]?)?)  `).FindAllStringSubmatch(manual.Section(t, usage, "Verbs:", "\n\n"), -1) {
		inUsage = append(inUsage, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^\*\*([a-z-]+)\*\*(?:( \[?)\*([A-Z]+)\*(\]?))?\n: `).FindAllStringSubmatch(manual.Section(t, page, "# VERBS", "\n# "), -1) {
		inPage = append(inPage, strings.Join(m[1:], ""))
	}
	var there []string
	for _, v := range verbs() {
		there = append(there, strings.TrimSpace(v.name+" "+v.argument))
	}
	if !slices.Equal(inUsage, there) || !slices.Equal(inPage, there) {
		t.Errorf("\nthere  %q\nusage  %q\nmanual %q", there, inUsage, inPage)
	}
}

// The manual page names the same keys of the JSON output as the usage text.
func TestJSONIsInTheManualPage(t *testing.T) {
	text, err := os.ReadFile(manPage)
	if err != nil {
		t.Fatal(err)
	}
	page := manual.Section(t, string(text), "# JSON OUTPUT", "\n# ")
	for _, key := range manual.Found(`\b([a-z]+(?:_[a-z]+)+)\b`, manual.Section(t, usage, "JSON: ", "\x00")) {
		if !regexp.MustCompile(`\b` + key + `\b`).MatchString(page) {
			t.Errorf("%s is not in the manual page", key)
		}
	}
}

// Each shell completes each verb and each option there is, and no other.
func TestCompletionHasEverything(t *testing.T) {
	path := fakeProgram(t)
	names := verbNames()
	slices.Sort(names)
	global, own := options()
	for _, shell := range shells.Names() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			if got := completion(path).Complete(t, shell, "updaterctl "); !slices.Equal(got, names) {
				t.Errorf("%q, there are %q", got, names)
			}
			for _, verb := range []string{"status", "update", "history", "hold", "monitor"} {
				want := slices.Clone(global)
				if o, ok := own[verb]; ok {
					want = append(want, o)
					slices.Sort(want)
				}
				if got := completion(path).Complete(t, shell, "updaterctl "+verb+" --"); !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", verb, got, want)
				}
			}
		})
	}
}
