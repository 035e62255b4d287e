// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// sourcesVersion is the version of the sources that copySources makes.
const sourcesVersion = "v1.2.3-rc.1"

// copySources returns a folder with the sources as in an archive made by make
// dist: without git, with the file VERSION, whose time is the commit's. What is
// built there does not meddle with what somebody builds here.
func copySources(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if slices.Contains([]string{".git", "bin", "build"}, e.Name()) {
			continue
		}
		from, to := filepath.Join("..", e.Name()), filepath.Join(folder, e.Name())
		if e.IsDir() {
			err = os.CopyFS(to, os.DirFS(from))
		} else {
			err = copyFile(from, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	version, committed := filepath.Join(folder, "VERSION"), time.Unix(1700000000, 0)
	if err := writeFile(version, sourcesVersion+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(version, committed, committed); err != nil {
		t.Fatal(err)
	}
	return folder
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// makeIn is make in a copy of the sources, after some shell commands.
func makeIn(t *testing.T, sources, before string, arguments ...string) *exec.Cmd {
	t.Helper()
	cmd := tool(t, "dash", "sh", append([]string{"-c", before + `; exec make "$@"`, "sh"}, arguments...)...)
	cmd.Dir = sources
	return cmd
}

// tool is a command, which must be there.
func tool(t *testing.T, debianPackage, name string, arguments ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: install the Debian package %s", err, debianPackage)
	}
	return exec.CommandContext(t.Context(), path, arguments...)
}

// output runs a command that must succeed and returns what it printed.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v\n%s%s", cmd.Args, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}
