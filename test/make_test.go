// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/clipos/updater/test/machine"
)

// sourcesVersion is the version of the sources that copySources makes.
const sourcesVersion = "v1.2.3-rc.1"

// copySources returns a folder with the sources as in an archive made by make
// dist: without git, with the file VERSION, whose time is the commit's. What is
// built there does not meddle with what somebody builds here.
func copySources(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "updater-"+sourcesVersion)
	copyTree(t, "..", folder)
	version, committed := filepath.Join(folder, "VERSION"), time.Unix(1700000000, 0)
	if err := machine.WriteFile(version, sourcesVersion+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(version, committed, committed); err != nil {
		t.Fatal(err)
	}
	return folder
}

// makeIn is make in a copy of the sources, after some shell commands.
func makeIn(t *testing.T, sources, before string, arguments ...string) {
	t.Helper()
	command(t, sources, nil, "sh", append([]string{"-c", before + `; exec make --silent "$@"`, "sh"}, arguments...)...)
}

// need ends a test that cannot do without a program which is not there.
func need(t *testing.T, debianPackage, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%v: install the Debian package %s", err, debianPackage)
	}
}
