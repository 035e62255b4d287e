// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"os"
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
