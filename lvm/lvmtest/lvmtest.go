// SPDX-License-Identifier: LGPL-2.1-or-later

// Package lvmtest is for tests of and with package lvm: volume groups made by
// the real LVM tools in a fake root folder, and the one suite that every
// backend passes.
//
// The script lvmroot beside this file does the work, and explains how; tests
// that are not written in Go use it directly. Tests that call this package
// run as root and need Debian's packages lvm2 and util-linux.
package lvmtest

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

//go:embed lvmroot
var script []byte

// NewGroup makes a fake root folder with an empty volume group in it, as
// [AddGroup] does, and returns the folder.
func NewGroup(tb testing.TB, name string, sizeBytes int64) (root string) {
	tb.Helper()
	root = tb.TempDir()
	AddGroup(tb, root, name, sizeBytes)
	return root
}

// AddGroup adds an empty volume group to a root folder, which may be any
// folder and may have groups already. The group's single physical volume has
// sizeBytes, a little of which LVM keeps for itself. What follows are options
// for pvcreate. The loop devices are freed when the test ends.
func AddGroup(tb testing.TB, root, name string, sizeBytes int64, options ...string) {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "lvmroot")
	if err := os.WriteFile(file, script, 0o700); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { run(tb, file, "detach", root) })
	run(tb, file, append([]string{"add", root, name, strconv.FormatInt(sizeBytes, 10)}, options...)...)
}

// LVM runs the lvm tool of a root folder and returns what it prints.
func LVM(tb testing.TB, root string, args ...string) string {
	tb.Helper()
	return run(tb, filepath.Join(root, "usr/sbin/lvm"), args...)
}

// Tool runs the lvm tool of a root folder and returns its exit status as an
// error.
func Tool(tb testing.TB, root string, args ...string) error {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), filepath.Join(root, "usr/sbin/lvm"), args...)
	cmd.Env = []string{"LC_ALL=C", "LVM_SUPPRESS_FD_WARNINGS=1", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	return cmd.Run()
}

// AttachLoop attaches a file to a loop device and returns its path, e.g.
// "/dev/loop3". It is freed when the test ends.
func AttachLoop(tb testing.TB, file string) (device string) {
	tb.Helper()
	device = strings.TrimSpace(run(tb, "losetup", "--find", "--show", file))
	tb.Cleanup(func() { run(tb, "losetup", "--detach", device) })
	return device
}

// Mount mounts a device or image file on a new folder until the test ends,
// read-only, so that its contents stay what they are.
func Mount(tb testing.TB, source string) (folder string) {
	tb.Helper()
	folder = tb.TempDir()
	run(tb, "mount", "--options", "ro", source, folder)
	tb.Cleanup(func() { run(tb, "umount", folder) })
	return folder
}

func run(tb testing.TB, program string, args ...string) string {
	tb.Helper()
	var stderr strings.Builder
	// Cleaning up runs programs too, when the test's context is done.
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), program, args...)
	cmd.Env = []string{"LC_ALL=C", "LVM_SUPPRESS_FD_WARNINGS=1", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s %q: %v\n%s", program, args, err, stderr.String())
	}
	return string(output)
}
