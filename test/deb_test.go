// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/test/machine"
)

// TestDebianPackages builds the packages, and judges what has been built.
func TestDebianPackages(t *testing.T) {
	need(t, "dpkg", "dpkg-deb")
	need(t, "lintian", "lintian")
	need(t, "util-linux", "unshare")
	folder := buildPackages(t, "umask 022")
	packages, err := filepath.Glob(filepath.Join(folder, "*.deb"))
	if err != nil || len(packages) != 4 {
		t.Fatalf("built %q, %v; want four packages", packages, err)
	}

	t.Run("lintian finds nothing", func(t *testing.T) {
		arguments := append([]string{"--allow-root", "--fail-on", "error,warning"}, packages...)
		if output := command(t, "/", nil, "lintian", arguments...); output != "" {
			t.Error(output)
		}
	})
	t.Run("contents", func(t *testing.T) {
		for _, p := range packages {
			samePaths(t, listPackage(t, p), packageContents(t, packageName(p)))
		}
	})
	t.Run("the programs say their version", func(t *testing.T) {
		for _, p := range packages {
			root := t.TempDir()
			command(t, "/", nil, "dpkg-deb", "--extract", p, root)
			got := command(t, "/", nil, filepath.Join(root, "usr/bin", packageName(p)), "--version")
			if want := packageName(p) + " " + sourcesVersion + "\n"; got != want {
				t.Errorf("printed %q, want %q", got, want)
			}
		}
	})
	t.Run("version", func(t *testing.T) {
		for _, p := range packages {
			if got, want := command(t, "/", nil, "dpkg-deb", "--field", p, "Version"), "1.2.3~rc.1-1\n"; got != want {
				t.Errorf("version %q, want %q", got, want)
			}
		}
	})
	t.Run("installed and purged", func(t *testing.T) { installAndPurge(t, packages) })
	t.Run("the same bytes elsewhere", func(t *testing.T) {
		again := buildPackages(t, "umask 077; export TZ=Asia/Tokyo LC_ALL=C.UTF-8")
		for _, p := range packages {
			sameBytes(t, p, filepath.Join(again, filepath.Base(p)))
		}
	})
}

// buildPackages builds the packages in a copy of the sources, after some shell
// commands, and returns the folder with them.
func buildPackages(t *testing.T, before string) string {
	t.Helper()
	sources := copySources(t)
	makeIn(t, sources, before, "deb")
	return filepath.Join(sources, "build/deb")
}

func packageName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), "_")
	return name
}

// listed is a line of dpkg-deb --contents: mode, owner, size, date, time, path.
var listed = regexp.MustCompile(`(?m)^(\S+) (\S+) +\d+ \S+ \S+ (.+)$`)

// listPackage returns the mode, owner and path of each file.
func listPackage(t *testing.T, path string) []string {
	t.Helper()
	var lines []string
	for _, m := range listed.FindAllStringSubmatch(command(t, "/", nil, "dpkg-deb", "--contents", path), -1) {
		lines = append(lines, strings.Join(m[1:], " "))
	}
	return lines
}

// packageContents is what listPackage should say.
func packageContents(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/packages", name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if name != "updaterd" {
		return lines
	}
	documents, err := filepath.Glob("../docs/*.md")
	if err != nil || len(documents) == 0 {
		t.Fatalf("documents %q, %v", documents, err)
	}
	for _, d := range documents {
		lines = append(lines, "-rw-r--r-- root/root ./usr/share/doc/updaterd/docs/"+filepath.Base(d))
	}
	return lines
}

// samePaths compares lists that end in paths, in any order.
func samePaths(t *testing.T, got, want []string) {
	t.Helper()
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("unexpected: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
}

// installAndPurge has dpkg install the packages in an empty system, upgrade
// them and remove them. The maintainer scripts run with this machine's
// programs, and find everything outside that system read-only.
func installAndPurge(t *testing.T, packages []string) {
	root := t.TempDir()
	for _, folder := range []string{"info", "updates", "triggers"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := machine.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), ""); err != nil {
		t.Fatal(err)
	}
	dpkg := []string{"dpkg", "--root=" + root, "--log=/dev/null", "--force-depends", "--force-script-chrootless"}

	confined(t, root, append(append(dpkg, "--install"), packages...)...)
	var want []string
	for _, p := range packages {
		for _, line := range packageContents(t, packageName(p)) {
			if !strings.HasPrefix(line, "d") {
				path, _, _ := strings.Cut(line[strings.Index(line, " ./")+2:], " -> ")
				want = append(want, path)
			}
		}
	}
	// Nothing else in /etc: the daemon is not enabled.
	const database, links = "/var/lib/dpkg", "/var/lib/systemd"
	samePaths(t, filesIn(t, root, database, links), want)

	confined(t, root, "systemctl", "--root="+root, "enable", "updaterd.service")
	enabled := []string{
		"/etc/systemd/system/dbus-org.clipos.Updater1.service",
		"/etc/systemd/system/multi-user.target.wants/updaterd.service",
	}
	samePaths(t, filesIn(t, root, database, links), slices.Concat(want, enabled))

	confined(t, root, append(append(dpkg, "--install"), packages...)...)
	samePaths(t, filesIn(t, root, database, links), slices.Concat(want, enabled))

	if err := machine.WriteFile(filepath.Join(root, "var/lib/updater/state.json"), "{}"); err != nil {
		t.Fatal(err)
	}
	if err := machine.WriteFile(filepath.Join(root, "etc/updater/remote.toml"), ""); err != nil {
		t.Fatal(err)
	}
	confined(t, root, append(dpkg, "--purge", "updaterd", "updaterctl", "updater-notify", "updater-release")...)
	samePaths(t, filesIn(t, root, database), []string{"/etc/updater/remote.toml"})
}

// confined runs a command that can write to nothing of this machine but one
// folder.
func confined(t *testing.T, folder string, args ...string) {
	t.Helper()
	const script = `mount --bind "$1" "$1" && mount -o remount,bind,ro / && shift && exec "$@"`
	arguments := append([]string{
		"--mount", "--map-root-user", "--propagation", "private", "--", "sh", "-c", script, "sh", folder,
	}, args...)
	command(t, "/", nil, "unshare", arguments...)
}

// filesIn lists the files of a system, but for those in some folders.
func filesIn(t *testing.T, root string, but ...string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		inside := strings.TrimPrefix(path, root)
		switch {
		case err != nil:
			return err
		case slices.Contains(but, inside):
			return filepath.SkipDir
		case !entry.IsDir():
			paths = append(paths, inside)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func sameBytes(t *testing.T, one, other string) {
	t.Helper()
	a, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s and %s differ", one, other)
	}
}
