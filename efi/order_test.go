// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// menu is a boot menu: files and the os-release inside each. What bootctl(1)
// 252 makes of it is in testdata/bootctl-list.txt, one file name a line, taken
// by testdata/bootctl-list.sh.
func menu() map[string]string {
	release := func(lines ...string) string { return strings.Join(lines, "\n") + "\n" }
	return map[string]string{
		// The transition from a pre-release to the release: the wrong way round.
		"clipos-5.0.0.efi":           release("ID=clipos-efiboot", "NAME=x", "VERSION=5.0.0", "VERSION_ID=5.0.0"),
		"clipos-5.0.0-beta.3.efi":    release("ID=clipos-efiboot", "NAME=x", "VERSION=5.0.0-beta.3", "VERSION_ID=5.0.0-beta.3"),
		"clipos-5.0.0-alpha.10.efi":  release("ID=clipos-efiboot", "NAME=x", "VERSION=5.0.0-alpha.10"),
		"clipos-5.0.0-alpha.9.efi":   release("ID=clipos-efiboot", "NAME=x", "VERSION=5.0.0-alpha.9"),
		"clipos-5.0.0-rc.1.efi":      release("ID=clipos-efiboot", "NAME=x", "IMAGE_VERSION=5.0.0~rc.1", "VERSION=5.0.0-rc.1"),
		"clipos-6.0.0+0-3.efi":       release("ID=clipos-efiboot", "NAME=x", "VERSION=6.0.0"),
		"clipos-5.9.0+2-1.efi":       release("ID=clipos-efiboot", "NAME=x", "VERSION=5.9.0"),
		"clipos-5.8.0+3.efi":         release("ID=clipos-efiboot", "NAME=x", "VERSION=\"5.8.0\""),
		"a-version-id.efi":           release("ID=clipos-efiboot", "NAME=x", "VERSION_ID=5.0.0-alpha.8"),
		"a-build-id.efi":             release("ID=clipos-efiboot", "NAME=x", "BUILD_ID=5.0.0-alpha.7"),
		"no-version.efi":             release("ID=clipos-efiboot", "NAME=x"),
		"same-2.efi":                 release("ID=clipos-efiboot", "NAME=x", "VERSION=4"),
		"same-10.efi":                release("ID=clipos-efiboot", "NAME=x", "VERSION=4"),
		"same-3.EFI":                 release("ID=clipos-efiboot", "NAME=x", "VERSION=4"),
		"an-image.efi":               release("ID=zebra", "IMAGE_ID=a-first", "NAME=x", "VERSION=1"),
		"zebra.efi":                  release("ID=zebra", "NAME=x", "VERSION=99"),
		"capitals.efi":               release("ID=Zebra", "NAME=x", "VERSION=1"),
		"no-id-1.efi":                release("NAME=x", "VERSION=9"),
		"no-id-2.efi":                release("PRETTY_NAME=x", "VERSION=1"),
		"nothing-to-show.efi":        release("VERSION=1"),
		"clipos-9.9.9.efi.new":       release("ID=clipos-efiboot", "NAME=x", "VERSION=9.9.9"),
		".clipos-9.9.9.efi":          release("ID=clipos-efiboot", "NAME=x", "VERSION=9.9.9"),
		"quotes-that-stay.efi":       release("ID=clipos-efiboot", "NAME=x", "VERSION='9.9'"),
		"counter-and-more+1.efi.efi": release("ID=clipos-efiboot", "NAME=x", "VERSION=0.1"),
	}
}

// buildMenu writes the menu into a folder.
func buildMenu(t *testing.T, dir string) {
	t.Helper()
	for file, release := range menu() {
		writeFile(t, filepath.Join(dir, file), buildImage(t, part{".osrel", release}, part{".cmdline", "quiet"}))
	}
}

func TestSortAsBootctl(t *testing.T) {
	dir := t.TempDir()
	buildMenu(t, dir)
	entries := survey(t, New(dir, product, Options{})).Entries
	slices.Reverse(entries)
	Sort(entries)
	var got []string
	for _, e := range entries {
		if e.Bootable {
			got = append(got, e.File)
		}
	}
	want := strings.Fields(string(readFile(t, filepath.Join("testdata", "bootctl-list.txt"))))
	if !slices.Equal(got, want) {
		t.Errorf("\n%s\nbootctl:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if last := entries[len(got)-1]; last.File != "clipos-6.0.0+0-3.efi" {
		t.Errorf("the last that can be started is %s", last.File)
	}
}

// What systemd-boot and bootctl see differently.
func TestIsListed(t *testing.T) {
	for file, want := range map[string]bool{
		"a.efi": true, "a.EFI": true, "Auto-a.efi": true, "a.efi.efi": true,
		"": false, ".efi": false, ".a.efi": false, "auto-a.efi": false, "a.efi.new": false, "a.conf": false, "aefi": false,
	} {
		if got := isListed(file); got != want {
			t.Errorf("%q: %v", file, got)
		}
	}
}

// The facts of the boot order, each seen on systemd-boot 252: first before second.
func TestSortPairs(t *testing.T) {
	entry := func(file, key, version string) Entry {
		return Entry{File: file, SortKey: key, OSVersion: version, Bootable: true}
	}
	tests := []struct {
		name          string
		first, second Entry
	}{
		{
			"a beta before the release",
			entry("clipos-5.0.0-beta.3.efi", "clipos", "5.0.0-beta.3"), entry("clipos-5.0.0.efi", "clipos", "5.0.0"),
		},
		{
			"not with a tilde",
			entry("clipos-5.0.0.efi", "clipos", "5.0.0"), entry("clipos-5.0.0-beta.3.efi", "clipos", "5.0.0~beta.3"),
		},
		{
			"nor by file name",
			entry("clipos-5.0.0.efi", "", "5.0.0"), entry("clipos-5.0.0-beta.3.efi", "", "5.0.0-beta.3"),
		},
		{
			"numbers are numbers",
			entry("clipos-5.0.0-alpha.10.efi", "clipos", "5.0.0-alpha.10"), entry("clipos-5.0.0-alpha.9.efi", "clipos", "5.0.0-alpha.9"),
		},
		{
			"no tries left goes last",
			entry("clipos-5.0.0.efi", "clipos", "5.0.0"), entry("clipos-5.1.0+0-3.efi", "clipos", "5.1.0"),
		},
		{
			"even behind no sort key",
			entry("x.efi", "", ""), entry("clipos-5.1.0+0-3.efi", "clipos", "5.1.0"),
		},
		{
			"a sort key before none",
			entry("a.efi", "z", "1"), entry("z.efi", "", "9"),
		},
		{
			"the sort key before the version",
			entry("clipos-1.efi", "a", "1"), entry("clipos-2.efi", "b", "2"),
		},
		{
			"small letters of the file name",
			entry("clipos-5.0.0-Beta.efi", "", ""), entry("clipos-5.0.0-alpha.efi", "", ""),
		},
		{
			"more tries left",
			entry("clipos-5.0.0+3.efi", "clipos", "5.0.0"), entry("clipos-5.0.0+2-1.efi", "clipos", "5.0.0"),
		},
		{
			"not listed",
			entry("z.efi", "", ""),
			Entry{File: "clipos-5.0.0.efi", SortKey: "a", OSVersion: "9"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, entries := range [][]Entry{{test.second, test.first}, {test.first, test.second}} {
				Sort(entries)
				if entries[0].File != test.first.File {
					t.Errorf("%s first", entries[0].File)
				}
			}
		})
	}
}
