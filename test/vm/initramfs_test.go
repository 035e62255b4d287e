// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// initramfsModules are the modules that are loaded in this order, each after
// what it depends on. None is loaded later: the core images have no modules.
var initramfsModules = []string{
	"virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng", "dm-mod", "dm-verity", "sha256-ssse3", "squashfs",
	"nls_cp437", "nls_ascii", "vfat", "efivarfs", "autofs4",
}

// buildInitramfs makes the initramfs and returns its path.
func buildInitramfs(ctx context.Context, base, work string) (string, error) {
	root := filepath.Join(work, "initramfs")
	for _, dir := range []string{"bin", "sbin", "modules", "dev", "proc", "sys", "sysroot", "etc", "run/lvm", "run/lock/lvm", "lib64", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return "", err
		}
	}
	tree := filepath.Join(base, "tree")
	err := errors.Join(
		copyFile(ctx, "init.sh", filepath.Join(root, "init")),
		copyFile(ctx, "udhcpc.sh", filepath.Join(root, "udhcpc")),
		copyFile(ctx, "/bin/busybox", filepath.Join(root, "bin/busybox")),
		copyProgram(ctx, tree, root, "sbin/lvm"),
		copyProgram(ctx, tree, root, "sbin/dmsetup"),
		copyModules(ctx, filepath.Join(base, "kernel"), root),
	)
	if err != nil {
		return "", fmt.Errorf("initramfs: %w", err)
	}
	path := filepath.Join(work, "initramfs.cpio.zst")
	_, err = output(ctx, "sh", "-c", `cd "$1" && find . | cpio --quiet -o -H newc | zstd -q -10 -o "$2"`, "sh", root, path)
	return path, err
}

func copyFile(ctx context.Context, from, to string) error {
	_, err := output(ctx, "install", "-D", "-m", "755", from, to)
	return err
}

// copyProgram copies a program of the tree and its libraries.
func copyProgram(ctx context.Context, tree, root, program string) error {
	if err := copyFile(ctx, filepath.Join(tree, program), filepath.Join(root, program)); err != nil {
		return err
	}
	list, err := output(ctx, "chroot", tree, "ldd", "/"+program)
	if err != nil {
		return err
	}
	for word := range strings.FieldsSeq(list) {
		if strings.HasPrefix(word, "/") {
			if err := copyFile(ctx, filepath.Join(tree, word), filepath.Join(root, word)); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyModules copies the modules under names that sort as they must be loaded.
func copyModules(ctx context.Context, kernel, root string) error {
	versions, err := os.ReadDir(filepath.Join(kernel, "lib/modules"))
	if err != nil {
		return err
	}
	var paths []string
	seen := map[string]bool{}
	for _, module := range initramfsModules {
		list, err := output(ctx, "modprobe", "--show-depends", "--dirname", kernel, "--set-version", versions[0].Name(), module)
		if err != nil {
			return err
		}
		for line := range strings.Lines(list) {
			path, isFile := strings.CutPrefix(strings.TrimSpace(line), "insmod ")
			if isFile && !seen[path] {
				seen[path] = true
				paths = append(paths, path)
			}
		}
	}
	for i, path := range paths {
		if err := copyFile(ctx, path, filepath.Join(root, "modules", fmt.Sprintf("%02d-%s", i, filepath.Base(path)))); err != nil {
			return err
		}
	}
	return nil
}
