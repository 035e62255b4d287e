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
	// physical volume. disk.sh begins with the first MiB too.
	espOffset, espBytes = 1 * mib, 96 * mib
	pvOffset, pvBytes   = espOffset + espBytes, 1400 * mib

	coreBytes, stateBytes, swapBytes = 160 * mib, 512 * mib, 32 * mib
)

// parts is a folder with what disk.sh makes a disk of.
type parts string

// build makes the parts of a machine on which the releases are installed; state
// is a folder that becomes /var.
func (p parts) build(ctx context.Context, state string, installed ...release.Release) error {
	err := errors.Join(
		p.writeLayout(),
		p.addState(ctx, state),
		p.addToESP(ctx, "/usr/lib/systemd/boot/efi/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"),
	)
	for _, r := range installed {
		err = errors.Join(err,
			p.addToESP(ctx, r.Efiboot, "EFI/Linux/clipos-"+r.Version+".efi"),
			p.addVolume(ctx, r.Core, "core_"+r.Version, coreBytes),
		)
	}
	if err != nil {
		return fmt.Errorf("parts: %w", err)
	}
	return nil
}

func (p parts) writeLayout() error {
	loader := filepath.Join(string(p), "esp/loader")
	return errors.Join(
		os.MkdirAll(loader, 0o755),
		os.MkdirAll(filepath.Join(string(p), "volumes"), 0o755),
		os.WriteFile(filepath.Join(loader, "loader.conf"), []byte("timeout 0\n"), 0o644),
		os.WriteFile(filepath.Join(string(p), "layout"), fmt.Appendf(nil, "ESP_MIB=%d\nGROUP_MIB=%d\n", espBytes/mib, pvBytes/mib), 0o644),
	)
}

func (p parts) addToESP(ctx context.Context, from, name string) error {
	_, err := output(ctx, "install", "-D", "-m", "644", from, filepath.Join(string(p), "esp", name))
	return err
}

// addVolume makes the content of a volume that is larger than what is in it.
func (p parts) addVolume(ctx context.Context, from, name string, bytes int64) error {
	path := filepath.Join(string(p), "volumes", name)
	_, err := output(ctx, "cp", "--reflink=auto", from, path)
	return errors.Join(err, os.Truncate(path, bytes))
}

func (p parts) addState(ctx context.Context, state string) error {
	path := filepath.Join(string(p), "volumes/core_state")
	return errors.Join(
		p.addVolume(ctx, "/dev/null", "core_swap", swapBytes),
		all(ctx, [][]string{
			{"mkfs.ext4", "-q", "-O", "^has_journal", "-d", state, path, strconv.Itoa(stateBytes / 1024)},
			{"tune2fs", "-j", path},
		}),
	)
}

// install makes a disk of the parts, with dir for what is needed meanwhile.
func (p parts) install(ctx context.Context, disk, dir string) error {
	_, err := output(ctx, "./disk.sh", disk, string(p), lvmroot, filepath.Join(dir, groupDir))
	return err
}

// pack is the command that makes the archive that vagrant/provision wants.
func (p parts) pack(archive string) []string {
	return []string{
		"tar", "--create", "--sparse", "--file=" + archive, "disk.sh",
		"--directory=" + filepath.Dir(string(p)), filepath.Base(string(p)),
	}
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
