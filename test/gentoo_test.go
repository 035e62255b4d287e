// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEbuild builds from the two archives without a network, as Portage would,
// and gets what make install gives.
func TestEbuild(t *testing.T) {
	need(t, "util-linux", "unshare")
	need(t, "xz-utils", "xz")
	sources := copySources(t)
	dist := filepath.Join(sources, "build/dist")
	archiveSources(t, sources, dist)
	makeIn(t, sources, "true", "gentoo")

	work := t.TempDir()
	ebuild := filepath.Join(sources, "build/gentoo/updater-1.2.3_rc1.ebuild")
	command(t, ".", nil, "bash", "ebuild", ebuild, dist, work)

	installed := t.TempDir()
	makeIn(t, sources, "true", "install", "DESTDIR="+installed, "DOCDIR=share/doc/updater-1.2.3_rc1")
	// Gentoo has all licences in one place.
	if err := os.Remove(filepath.Join(installed, "usr/share/doc/updater-1.2.3_rc1/LICENSE")); err != nil {
		t.Fatal(err)
	}
	sameTrees(t, filepath.Join(work, "image"), installed)

	elsewhere := copySources(t)
	makeIn(t, elsewhere, "umask 077; export TZ=Asia/Tokyo", "deps")
	const deps = "build/dist/updater-" + sourcesVersion + "-deps.tar.xz"
	sameBytes(t, filepath.Join(elsewhere, deps), filepath.Join(sources, deps))
	tamper(t, sources, filepath.Join(sources, deps))
}

// tamper puts another module in the place of one, and then only its hash: the
// archive of modules needs no trust.
func tamper(t *testing.T, sources, deps string) {
	t.Helper()
	for _, tc := range []struct{ extension, refusedBy, complaint string }{
		{".zip", "mod verify", "zip has been modified"},
		{".ziphash", "build -o /dev/null ./cmd/updaterd", "checksum mismatch"},
	} {
		folder := t.TempDir()
		command(t, folder, nil, "tar", "--extract", "--file", deps)
		data, err := os.ReadFile(moduleFile(t, folder, "github.com/godbus/dbus/v5", tc.extension))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(moduleFile(t, folder, "github.com/!masterminds/semver/v3", tc.extension), data, 0o644); err != nil {
			t.Fatal(err)
		}
		goCommand := exec.CommandContext(t.Context(), "go", strings.Fields(tc.refusedBy)...)
		goCommand.Dir = sources
		goCommand.Env = append(os.Environ(), "GOMODCACHE="+filepath.Join(folder, "go-mod"), "GOPROXY=off", "GOFLAGS=-modcacherw")
		if output, err := goCommand.CombinedOutput(); err == nil || !strings.Contains(string(output), tc.complaint) {
			t.Errorf("go %s with another %s: %v, want %q\n%s", tc.refusedBy, tc.extension, err, tc.complaint, output)
		}
	}
}

// moduleFile is the one file of a module with this extension.
func moduleFile(t *testing.T, folder, path, extension string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "go-mod/cache/download", path, "@v/*"+extension))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %q, %v", path, files, err)
	}
	return files[0]
}

// TestInstallTwice: installing again changes nothing.
func TestInstallTwice(t *testing.T) {
	sources, first, again := copySources(t), t.TempDir(), t.TempDir()
	for _, folder := range []string{first, again, again} {
		makeIn(t, sources, "true", "install", "DESTDIR="+folder)
	}
	sameTrees(t, again, first)
}

// archiveSources packs a copy of the sources as make dist does.
func archiveSources(t *testing.T, sources, dist string) {
	t.Helper()
	if err := os.MkdirAll(dist, 0o755); err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(sources)
	command(t, filepath.Dir(sources), nil, "tar", "--create", "--gzip", "--file", filepath.Join(dist, name+".tar.gz"), "--exclude=build/dist", name)
}

// sameTrees compares the modes and bytes of files.
func sameTrees(t *testing.T, got, want string) {
	t.Helper()
	samePaths(t, modesIn(t, got), modesIn(t, want))
	if t.Failed() {
		return
	}
	for _, path := range filesIn(t, want) {
		sameBytes(t, got+path, want+path)
	}
}

// modesIn lists the files and folders below one with their modes.
func modesIn(t *testing.T, root string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := os.Lstat(path)
		if err == nil {
			lines = append(lines, info.Mode().String()+" "+strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil || !slices.ContainsFunc(lines, func(l string) bool { return strings.HasSuffix(l, "/usr/bin/updaterd") }) {
		t.Fatalf("%q, %v", lines, err)
	}
	return lines
}
