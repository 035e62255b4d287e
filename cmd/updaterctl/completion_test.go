// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipos/updater/test/shells"
	"github.com/clipos/updater/updater"
)

// completion is updaterctl's, with the program that it asks for versions.
func completion(path string) shells.Program {
	return shells.Program{Name: "updaterctl", Folder: "completion", Path: path}
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
		for _, shell := range shells.Names() {
			t.Run(shell+"/"+line, func(t *testing.T) {
				t.Parallel()
				got := completion(path).Complete(t, shell, line)
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

func TestCompletionSyntax(t *testing.T) { completion("").CheckSyntax(t) }
