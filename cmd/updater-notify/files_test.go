// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestUnit asks systemd itself, which has nothing to say on a unit without
// mistakes.
func TestUnit(t *testing.T) {
	unit, err := os.ReadFile("updater-notify.service")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "updater-notify.service")
	if err := os.WriteFile(path, []byte(strings.Replace(string(unit), "/usr/bin/updater-notify", "/bin/true", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", "--user", "verify", "--man=no", path)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	if output, err := cmd.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("%v: %s (Debian package systemd)", err, output)
	}
}

func TestAutostart(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "desktop-file-validate", "updater-notify.desktop").CombinedOutput()
	if err != nil || len(output) > 0 {
		t.Errorf("%v: %s (Debian package desktop-file-utils)", err, output)
	}
}

// TestName: a server that finds the desktop file by the notification's hint says
// the same name as one that does not.
func TestName(t *testing.T) {
	file, err := os.ReadFile("updater-notify.desktop")
	if err != nil {
		t.Fatal(err)
	}
	for key, locale := range map[string]string{"Name": "en_GB", "Name[fr]": "fr_FR"} {
		if line := key + "=" + speak(t, locale).say(appName) + "\n"; !strings.Contains(string(file), "\n"+line) {
			t.Errorf("no line %q in %s", line, file)
		}
	}
}

// TestDocumented: usage and manual page have the options there are, and the
// classes of the status line.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/man/updater-notify.1.md")
	if err != nil {
		t.Fatal(err)
	}
	found := func(pattern, text string) (words []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			words = append(words, m[1])
		}
		slices.Sort(words)
		return words
	}
	want := []string{"--bus", "--help", "--session-bus", "--status", "--version", "--waybar"}
	if got := found(`(?m)^ +(--[a-z-]+)`, usageText); !slices.Equal(got, want) {
		t.Errorf("usage: %q", got)
	}
	if got := found(`(?m)^\*\*(--[a-z-]+)\*\*( \*[A-Z]+\*)?\n: `, string(page)); !slices.Equal(got, want) {
		t.Errorf("manual page: %q", got)
	}
	for class := range lines() {
		if !strings.Contains(string(page), "*"+class+"*") {
			t.Errorf("the class %s is not in the manual page", class)
		}
	}
}
