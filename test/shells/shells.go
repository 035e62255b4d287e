// SPDX-License-Identifier: LGPL-2.1-or-later

// Package shells completes command lines as bash, zsh and fish do, with the
// completion of one of our programs, for tests.
package shells

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Program is one whose completion is tested.
type Program struct {
	Name string
	// Folder has its completion: NAME.bash, _NAME and NAME.fish.
	Folder string
	// Path is a folder with the program itself, or what stands for it: the
	// completion may ask it.
	Path string
	// WorkDir is where the shell is, the current folder when empty.
	WorkDir string
}

// Names are the shells there are.
func Names() []string { return []string{"bash", "zsh", "fish"} }

// Complete returns what a shell offers for a line, sorted.
func (p Program) Complete(t *testing.T, shell, line string) []string {
	t.Helper()
	var offered []string
	for l := range strings.Lines(p.run(t, p.command(t, shell, line))) {
		word, _, _ := strings.Cut(strings.TrimSpace(l), "\t") // fish explains behind it
		if word != "" {
			offered = append(offered, word)
		}
	}
	slices.Sort(offered)
	return slices.Compact(offered)
}

// CheckSyntax has each shell read the completion.
func (p Program) CheckSyntax(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"/bin/bash", "-n", p.file(t, p.Name+".bash")},
		{"/bin/zsh", "-n", p.file(t, "_"+p.Name)},
		{"/usr/bin/fish", "--no-config", "-n", p.file(t, p.Name+".fish")},
	} {
		if got := p.run(t, args); got != "" {
			t.Errorf("%s: %s", args, got)
		}
	}
}

// file is the whole path of a file of the completion.
func (p Program) file(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(p.Folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// command is what prints how a shell completes a line.
func (p Program) command(t *testing.T, shell, line string) []string {
	t.Helper()
	_, source, _, _ := runtime.Caller(0)
	here := filepath.Dir(source)
	switch shell {
	case "bash":
		return []string{"/bin/bash", filepath.Join(here, "complete.bash"), p.file(t, ""), p.Name, line}
	case "zsh":
		return []string{"/bin/zsh", "-f", filepath.Join(here, "complete.zsh"), p.file(t, ""), line}
	}
	return []string{"/usr/bin/fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", "--", p.file(t, p.Name+".fish"), line}
}

// run runs a shell, which must be there.
func (p Program) run(t *testing.T, args []string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	home := t.TempDir()
	cmd.Dir = p.WorkDir
	cmd.Env = []string{"PATH=" + p.Path + ":/usr/bin:/bin", "HOME=" + home, "XDG_CONFIG_HOME=" + home, "TERM=dumb", "LC_ALL=C.UTF-8"}
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
