// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/clipos/updater/test/release"
)

const (
	// lvmroot puts a volume group into a file, with the real tools.
	lvmroot = "../../lvm/lvmtest/lvmroot"
	// groupDir is lvmroot's folder in that of a run.
	groupDir = "group"

	mib = 1 << 20
	// Where the partitions begin and how large they are: the ESP, then the
	// physical volume.
	espOffset, espBytes = 1 * mib, 96 * mib
	pvOffset, pvBytes   = espOffset + espBytes, 1400 * mib

	coreBytes, stateBytes, swapBytes = 160 * mib, 384 * mib, 32 * mib
)

// disk is one that is being built.
type disk struct {
	work, path string
}

// build makes the disk of a machine on which the releases are installed; state
// is a folder that becomes /var.
func (d disk) build(ctx context.Context, state string, installed ...release.Release) error {
	steps := []func(context.Context) error{
		d.partition,
		func(ctx context.Context) error { return d.fillESP(ctx, installed) },
		func(ctx context.Context) error { return d.fillGroup(ctx, state, installed) },
		d.moveGroup,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return fmt.Errorf("disk: %w", err)
		}
	}
	return nil
}

func (d disk) partition(ctx context.Context) error {
	// One MiB at the end is for the second partition table.
	if err := errors.Join(os.WriteFile(d.path, nil, 0o644), os.Truncate(d.path, pvOffset+pvBytes+mib)); err != nil {
		return err
	}
	_, err := output(ctx, "sgdisk", "--set-alignment=2048",
		fmt.Sprintf("--new=1:%d:+%dM", espOffset/512, espBytes/mib), "--typecode=1:ef00",
		fmt.Sprintf("--new=2:%d:+%dM", pvOffset/512, pvBytes/mib), "--typecode=2:8e00", d.path)
	return err
}

func (d disk) fillESP(ctx context.Context, installed []release.Release) error {
	loader := filepath.Join(d.work, "loader.conf")
	if err := os.WriteFile(loader, []byte("timeout 0\n"), 0o644); err != nil {
		return err
	}
	at := fmt.Sprintf("%s@@%d", d.path, espOffset)
	steps := [][]string{
		{"mkfs.vfat", "-F", "32", "-s", "1", "--offset", strconv.Itoa(espOffset / 512), d.path, strconv.Itoa(espBytes / 1024)},
		{"mmd", "-i", at, "::/EFI", "::/EFI/BOOT", "::/EFI/Linux", "::/loader"},
		{"mcopy", "-i", at, "/usr/lib/systemd/boot/efi/systemd-bootx64.efi", "::/EFI/BOOT/BOOTX64.EFI"},
		{"mcopy", "-i", at, loader, "::/loader/loader.conf"},
	}
	for _, r := range installed {
		steps = append(steps, []string{"mcopy", "-i", at, r.Efiboot, "::/EFI/Linux/clipos-" + r.Version + ".efi"})
	}
	return all(ctx, steps)
}

// fillGroup makes the volume group in a file of its own: loop devices need no
// partition table then.
func (d disk) fillGroup(ctx context.Context, state string, installed []release.Release) (err error) {
	root := filepath.Join(d.work, groupDir)
	lvm := filepath.Join(root, "usr/sbin/lvm")
	volume := func(name string) string { return filepath.Join(root, "dev/mainvg", name) }
	create := func(name string, bytes int) []string {
		return []string{lvm, "lvcreate", "--quiet", "--quiet", "--name", name, "--size", strconv.Itoa(bytes) + "b", "mainvg"}
	}
	steps := [][]string{
		{lvmroot, "add", root, "mainvg", strconv.Itoa(pvBytes)},
		create("core_state", stateBytes),
		create("core_swap", swapBytes),
		{"mkfs.ext4", "-q", "-O", "^has_journal", "-d", state, volume("core_state")},
		{"tune2fs", "-j", volume("core_state")},
	}
	for _, r := range installed {
		steps = append(steps, create("core_"+r.Version, coreBytes), []string{"dd", "if=" + r.Core, "of=" + volume("core_"+r.Version), "bs=4M", "status=none"})
	}
	defer func() {
		_, detachErr := output(context.WithoutCancel(ctx), lvmroot, "detach", root)
		err = errors.Join(err, detachErr)
	}()
	return all(ctx, append(steps, []string{"sync", "-f", root}))
}

func (d disk) moveGroup(ctx context.Context) error {
	image := filepath.Join(d.work, groupDir, "var/lib/lvmroot/mainvg.img")
	if _, err := output(ctx, "dd", "if="+image, "of="+d.path, "bs=1M", "seek="+strconv.Itoa(pvOffset/mib), "conv=sparse,notrunc", "status=none"); err != nil {
		return err
	}
	return os.Remove(image)
}

// all runs programs one after the other.
func all(ctx context.Context, programs [][]string) error {
	for _, p := range programs {
		if _, err := output(ctx, p[0], p[1:]...); err != nil {
			return err
		}
	}
	return nil
}
