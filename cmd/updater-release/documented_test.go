// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/test/manual"
	"github.com/clipos/updater/test/shells"
)

const manPage = "../../docs/man/updater-release.1.md"

// options are those of a verb, or with "" those of all, with their dashes and
// sorted.
func optionsOf(name string) (options []string) {
	common := flag.NewFlagSet("", flag.ContinueOnError)
	new(command).common(common)
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	for _, v := range verbs() {
		if v.name == name {
			v.options(flags)
		}
	}
	if name == "" {
		flags = common
		options = append(options, "--help")
	}
	flags.VisitAll(func(f *flag.Flag) {
		if len(f.Name) > 1 {
			options = append(options, "--"+f.Name)
		} else {
			options = append(options, "-"+f.Name)
		}
	})
	slices.Sort(options)
	return options
}

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(manPage)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The usage text and the manual page have the verbs and options there are, and
// no others.
func TestDocumented(t *testing.T) {
	all := optionsOf("")
	var there []string
	for _, v := range verbs() {
		all = append(all, optionsOf(v.name)...)
		there = append(there, strings.TrimSpace(v.name+" "+v.argument))
	}
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(o string) bool { return o == "-W" }) // beside --no-password
	for name, c := range map[string][]string{
		"usage":       manual.Found(`(?m)^ +(--[a-z-]+)`, usage),
		"manual page": manual.Found(`(?m)^\*\*(--[a-z-]+)\*\*(?: \*[A-Z]+\*)?\n: `, manual.Section(t, page(t), "# OPTIONS", "\n# ")),
	} {
		if !slices.Equal(c, all) {
			t.Errorf("%s: %q, there are %q", name, c, all)
		}
	}
	var inUsage, inPage []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+(?: \[?[A-Z]+(?:\.\.\.)?\]?)?)  `).FindAllStringSubmatch(manual.Section(t, usage, "Verbs:", "\n\n"), -1) {
		inUsage = append(inUsage, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^\*\*([a-z]+)\*\*(?: \*([A-Z]+(?:\.\.\.)?)\*)?\n: `).FindAllStringSubmatch(manual.Section(t, page(t), "# VERBS", "\n# "), -1) {
		inPage = append(inPage, strings.TrimSpace(m[1]+" "+m[2]))
	}
	if !slices.Equal(inUsage, there) || !slices.Equal(inPage, there) {
		t.Errorf("\nthere  %q\nusage  %q\nmanual %q", there, inUsage, inPage)
	}
}

// The usage text names the options of a verb at the verb, or in a section for
// several.
func TestUsageOfVerbs(t *testing.T) {
	of := map[string][]string{}
	verb := ""
	for line := range strings.Lines(manual.Section(t, usage, "Verbs:", "\n\n")) {
		if m := regexp.MustCompile(`^  ([a-z]+)`).FindStringSubmatch(line); m != nil {
			verb = m[1]
		}
		of[verb] = append(of[verb], manual.Found(`^ {6}(--[a-z-]+)`, line)...)
		of[verb] = append(of[verb], manual.Found(`, (-[A-Z]) `, line)...)
	}
	for _, m := range regexp.MustCompile(`(?ms)^Options of ([a-z, ]+):\n(.*?)\n\n`).FindAllStringSubmatch(usage, -1) {
		for _, v := range regexp.MustCompile(`, | and `).Split(m[1], -1) {
			of[v] = append(of[v], manual.Found(`(?m)^  (--[a-z-]+)`, m[2])...)
		}
	}
	of["add"] = append(of["add"], "--allow-older", "--percent") // "as promote does"
	for _, v := range verbs() {
		slices.Sort(of[v.name])
		if want := optionsOf(v.name); !slices.Equal(of[v.name], want) {
			t.Errorf("%s: %q, there are %q", v.name, of[v.name], want)
		}
	}
}

// The manual page names the same keys of the JSON output as the usage text.
func TestJSONIsInTheManualPage(t *testing.T) {
	output := manual.Section(t, page(t), "# JSON OUTPUT", "\n# ")
	for _, key := range manual.Found(`\b([a-z]+(?:_[a-z]+)+)\b`, manual.Section(t, usage, "JSON: ", "\x00")) {
		if !regexp.MustCompile(`\b` + key + `\b`).MatchString(output) {
			t.Errorf("%s is not in the manual page", key)
		}
	}
}

// A pipe hides that there is no configuration, and an empty one is valid: nginx
// would serve nothing any more.
func TestNginxIsNotPiped(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^updater-release .* nginx .*$`)
	found := 0
	for _, name := range append(files, manPage, "../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range command.FindAllString(strings.ReplaceAll(string(text), "\\\n", ""), -1) {
			found++
			if strings.Contains(c, "|") || !strings.HasSuffix(c, ">updater.conf &&") {
				t.Errorf("%s: %s", name, c)
			}
		}
	}
	if found < 2 {
		t.Errorf("%d commands found", found)
	}
	channels := filepath.Join(t.TempDir(), "channels.toml")
	writeFile(t, channels, "product")
	status, out, _ := runProgram(t, "", "--channels", channels, "nginx", "--certificate", "/c", "--certificate-key", "/k")
	if status != exitError || out != "" {
		t.Errorf("channels not right: status %d, %q", status, out)
	}
}

// completion is updater-release's, with a program that lists two releases.
func completion(t *testing.T) shells.Program {
	t.Helper()
	dir := t.TempDir()
	script := `#!/bin/sh
case $* in
"list") echo VERSION; echo "5.1.0  x"; echo "5.0.0  y" ;;
"--webroot other --product clipos list") echo VERSION; echo "4.0.0  x" ;;
*) exit 1 ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "updater-release"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(dir, "work")
	if err := os.MkdirAll(filepath.Join(work, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	channels := "product = \"clipos\"\n[channel.beta]\n[channel.lab] # x\n"
	if err := os.WriteFile(filepath.Join(work, "channels.toml"), []byte(channels), 0o644); err != nil {
		t.Fatal(err)
	}
	return shells.Program{Name: "updater-release", Folder: "completion", Path: dir, WorkDir: work}
}

func TestCompletion(t *testing.T) {
	program := completion(t)
	for line, want := range map[string][]string{
		"updater-release pro":                                          {"promote"},
		"updater-release --webroot x --json key":                       {"keygen"},
		"updater-release promote ":                                     {"5.0.0", "5.1.0"},
		"updater-release --webroot other --product clipos promote ":    {"4.0.0"},
		"updater-release promote --json 5.0":                           {"5.0.0"},
		"updater-release promote 5.1.0 --channel ":                     {"beta", "lab", "stable"},
		"updater-release promote --pu":                                 {"--pubkey"},
		"updater-release add --boot-order ":                            {"refuse", "set-default"},
		"updater-release add --cor":                                    {"--core"},
		"updater-release keygen --no-":                                 {"--no-password"},
		"updater-release --channels chan":                              {"channels.toml"},
		"updater-release fleet chan":                                   {"channels.toml"},
		"updater-release add 5.2.0 --allow-older --core channels.toml": {"channels.toml"},
	} {
		for _, shell := range shells.Names() {
			t.Run(shell+"/"+line, func(t *testing.T) {
				t.Parallel()
				if got := program.Complete(t, shell, line); !slices.Equal(got, want) {
					t.Errorf("%q, want %q", got, want)
				}
			})
		}
	}
}

// Each shell completes each verb and each option there is, and no other.
func TestCompletionHasEverything(t *testing.T) {
	program := completion(t)
	var names []string
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	slices.Sort(names)
	for _, shell := range shells.Names() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			if got := program.Complete(t, shell, "updater-release "); !slices.Equal(got, names) {
				t.Errorf("%q, there are %q", got, names)
			}
			for _, verb := range names {
				want := slices.DeleteFunc(optionsOf(verb), func(o string) bool { return o == "-W" })
				want = append(want, optionsOf("")...)
				want = slices.DeleteFunc(want, func(o string) bool { return o == "--version" }) // before a verb
				slices.Sort(want)
				if got := program.Complete(t, shell, "updater-release "+verb+" --"); !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", verb, got, want)
				}
			}
		})
	}
}

func TestCompletionSyntax(t *testing.T) { completion(t).CheckSyntax(t) }
