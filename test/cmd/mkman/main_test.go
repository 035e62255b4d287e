// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../../"

// pages are all pages by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	made := map[string]string{}
	for _, pattern := range []string{"docs/man/*", "dbusapi/*.xml"} {
		sources, err := filepath.Glob(root + pattern)
		if err != nil || len(sources) == 0 {
			t.Fatalf("%s: %q %v", pattern, sources, err)
		}
		for _, source := range sources {
			text, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			name, page, err := makePage(filepath.Base(source), text, "2026-05-01")
			if err != nil {
				t.Fatalf("%s: %v", source, err)
			}
			made[name] = page
		}
	}
	return made
}

func TestPagesPassLint(t *testing.T) {
	for name, page := range pages(t) {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		lint := exec.CommandContext(t.Context(), "/usr/bin/mandoc", "-T", "lint", "-W", "warning", file)
		output, err := lint.CombinedOutput()
		if lint.ProcessState == nil {
			t.Fatalf("%v (Debian package mandoc)", err)
		}
		if err != nil || len(output) != 0 {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
	}
}

func TestEachPageHasItsSections(t *testing.T) {
	for name, wanted := range map[string][]string{
		"updaterctl.1":          {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"},
		"updaterd.8":            {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"},
		"updater.toml.5":        {"NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "EXAMPLES", "SEE ALSO"},
		"org.clipos.Updater1.5": {"NAME", "METHODS", "PROPERTIES", "SIGNALS", "ERRORS", "EXAMPLES", "FILES", "SEE ALSO"},
	} {
		page, ok := pages(t)[name]
		if !ok {
			t.Errorf("%s is missing", name)
		}
		title := fmt.Sprintf(".TH %s %s 2026-05-01 updater\n", name[:len(name)-2], name[len(name)-1:])
		if !strings.Contains(page, title) {
			t.Errorf("%s: no title %q", name, title)
		}
		for _, section := range wanted {
			if !strings.Contains(page, "\n.SH "+section+"\n") {
				t.Errorf("%s: no %s", name, section)
			}
		}
	}
}

// The page of the interface has each member, and what was said about it.
func TestInterfacePage(t *testing.T) {
	text, err := os.ReadFile(root + "dbusapi/org.clipos.Updater1.xml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	page := tidy(d.page("2026-05-01"))
	ours, _, _ := strings.Cut(string(text), "</interface>")
	members := regexp.MustCompile(`<(method|property|signal) name="(\w+)"`).FindAllStringSubmatch(ours, -1)
	if len(members) < 20 || len(members) != len(d.methods)+len(d.properties)+len(d.signals) {
		t.Errorf("%d members in the text, %d methods, %d properties, %d signals", len(members), len(d.methods), len(d.properties), len(d.signals))
	}
	for _, m := range members {
		if !regexp.MustCompile(`(?m)^\.SS (\S+ )?` + m[2] + `(\(|$)`).MatchString(page) {
			t.Errorf("no %s %s", m[1], m[2])
		}
	}
	for _, want := range []string{
		".SS Update(s version, a{sv} options) \\[u2192] s transaction\n",
		".SS Reload()\n",
		".TP\n.B VolumeTooSmall\n",
		".IP \\(bu 2\nbytes t, how much was fetched.\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestParse(t *testing.T) {
	for name, text := range map[string]string{
		"not XML":      "<node",
		"no interface": "<node></node>",
		"no comment":   `<node><interface name="x"><method name="Y"/></interface></node>`,
	} {
		if d, err := parse([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// Each key that the code reads from a configuration file is explained.
func TestConfigurationKeys(t *testing.T) {
	page := pages(t)["updater.toml.5"]
	sources, err := filepath.Glob(root + "updater/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range regexp.MustCompile("`toml:\"(\\w+)\"").FindAllStringSubmatch(string(text), -1) {
			keys = append(keys, key[1])
		}
	}
	for _, known := range []string{"os_name", "windows", "dist_url"} {
		if !slices.Contains(keys, known) {
			t.Errorf("the code does not have %s, or was not understood", known)
		}
	}
	for _, key := range keys {
		table := regexp.MustCompile(`\[` + key + `\]`)
		if !strings.Contains(page, ".TP\n\\fB"+key+"\\fP\n") && !table.MatchString(page) && key != "version" {
			t.Errorf("%s is not explained", key)
		}
	}
}

func TestTidy(t *testing.T) {
	for name, c := range map[string][2]string{
		"hyphens":         {".TH x 1 2026-05-01\na-b \\-c\n.B --d\n", ".TH x 1 2026-05-01\na\\-b \\-c\n.B \\-\\-d\n"},
		"empty lines":     {"a\n\n\nb\n\n\n.SH C\n\n.PP\nd\n", "a\n\nb\n.SH C\n.PP\nd\n"},
		"before examples": {"a\n\n.EX\nb\n\nc\n.EE\n", "a\n.PP\n.EX\nb\n\nc\n.EE\n"},
	} {
		if got := tidy(c[0]); got != c[1] {
			t.Errorf("%s: %q, want %q", name, got, c[1])
		}
	}
}
