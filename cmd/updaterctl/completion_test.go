// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/updater"
)

// shells are the commands that print how a shell completes a line, with the
// program that the completion asks for versions first in PATH.
var shells = map[string]func(line string) []string{
	"bash": func(line string) []string { return []string{"/bin/bash", "testdata/complete.bash", "completion", line} },
	"zsh": func(line string) []string {
		return []string{"/bin/zsh", "-f", "testdata/complete.zsh", "completion", line}
	},
	"fish": func(line string) []string {
		return []string{"/usr/bin/fish", "--no-config", "-c", "source completion/updaterctl.fish; complete -C $argv[1]", "--", line}
	},
}

// shellRun runs a shell, which must be there.
func shellRun(t *testing.T, path string, args []string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	home := t.TempDir()
	cmd.Env = []string{"PATH=" + path + ":/usr/bin:/bin", "HOME=" + home, "XDG_CONFIG_HOME=" + home, "TERM=dumb", "LC_ALL=C.UTF-8"}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	output, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Fatalf("%v (Debian package %s)", err, filepath.Base(args[0]))
	}
	if complaints.Len() != 0 {
		t.Fatalf("%q: %v: %s", args, err, complaints.String())
	}
	return string(output)
}

// completed is what a shell offers for a line, sorted.
func completed(t *testing.T, shell, path, line string) []string {
	t.Helper()
	var offered []string
	for _, l := range lines(shellRun(t, path, shells[shell](line))) {
		word, _, _ := strings.Cut(strings.TrimSpace(l), "\t") // fish explains behind it
		if word != "" {
			offered = append(offered, word)
		}
	}
	slices.Sort(offered)
	return slices.Compact(offered)
}

// fakeProgram is a folder with an updaterctl that prints the versions of a
// machine, and on which bus it was asked to.
func fakeProgram(t *testing.T) (folder string) {
	t.Helper()
	bus, _ := serve(t, &fakeDaemon{versions: []updater.Installed{
		{Version: "4.9.0", State: updater.InstalledRunning}, {Version: "5.0.0-beta.1", State: updater.InstalledPending},
	}})
	folder = t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "versions"), []byte(ctl(t, bus, "versions").stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `#!/bin/sh
[ "$1" = versions ] || { [ "$1 $2 $3" = "--bus unix:path=/x versions" ] && echo HEAD && echo "6.6.6 on its bus"; } || exit 1
[ "$1" != versions ] || exec cat "${0%/*}/versions"
`
	if err := os.WriteFile(filepath.Join(folder, "updaterctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestCompletion(t *testing.T) {
	path := fakeProgram(t)
	installed := []string{"4.9.0", "5.0.0-beta.1"}
	global := []string{"--bus", "--help", "--json", "--no-ask-password", "--version"}
	for line, want := range map[string][]string{
		"updaterctl up":                                  {"update"},
		"updaterctl mark-":                               {"mark-bad", "mark-good"},
		"updaterctl --json --bus system unh":             {"unhold"},
		"updaterctl rollback ":                           installed,
		"updaterctl update 5":                            {"5.0.0-beta.1"},
		"updaterctl forget --json ":                      installed,
		"updaterctl rollback 4.9.0 ":                     nil,
		"updaterctl --bus unix:path=/x plan ":            {"6.6.6"},
		"updaterctl --bus=unix:path=/x --json rollback ": {"6.6.6"},
		"updaterctl status ":                             nil,
		"updaterctl --bus sys":                           {"system"},
		"updaterctl update --fo":                         {"--follow"},
		"updaterctl hold --until 3":                      {"3d"},
		"updaterctl nonsense ":                           nil,
	} {
		for shell := range shells {
			t.Run(shell+"/"+line, func(t *testing.T) {
				t.Parallel()
				got := completed(t, shell, path, line)
				if shell == "zsh" && want == nil && slices.Equal(got, global) {
					return // what is left to be said, where there is no argument
				}
				if !slices.Equal(got, want) {
					t.Errorf("%q, want %q", got, want)
				}
			})
		}
	}
}

func TestCompletionSyntax(t *testing.T) {
	for _, args := range [][]string{
		{"/bin/bash", "-n", "completion/updaterctl.bash"},
		{"/bin/zsh", "-n", "completion/_updaterctl"},
		{"/usr/bin/fish", "--no-config", "-n", "completion/updaterctl.fish"},
	} {
		if got := shellRun(t, "", args); got != "" {
			t.Errorf("%s: %s", args, got)
		}
	}
}
