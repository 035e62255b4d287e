// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"testing"
)

// Somebody looks into the spare volume.
func TestSpareMounted(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	m.sh("mkdir /tmp/spare; mount -t squashfs -o ro /dev/mainvg/core_5.0.0-alpha.0 /tmp/spare")
	m.refusedUntouched("VolumeInUse")
	m.run("umount", "/tmp/spare")
	m.update()
	m.reboot(nextVersion)
	m.wantUpdated()
}

// There is no room for the new entry, even when the old one goes.
func TestESPFull(t *testing.T) {
	m := scenario(t)
	m.offer(nextVersion)
	// The program ends with an error when the disk is full.
	m.sh(`entry=/mnt/efiboot/EFI/Linux/clipos-5.0.0-alpha.0.efi
		truncate -s 1M $entry
		dd if=/dev/zero of=/mnt/efiboot/ballast bs=1M status=none 2>/dev/null || sync`)
	m.refusedUntouched("NoSpaceESP")
	m.run("rm", "/mnt/efiboot/ballast")
	m.update()
	m.reboot(nextVersion)
	m.wantUpdated()
}

// refusedUntouched asserts the error of an update, and that it left everything
// as it was at the beginning.
func (m *machine) refusedUntouched(name string) {
	m.Helper()
	const digests = "cd /mnt/efiboot/EFI/Linux; sha256sum *; head -c 65536 /dev/mainvg/core_5.0.0-alpha.0 | sha256sum"
	before := m.sh(digests)
	m.refused("("+name+")", "updaterctl", "update", "--follow")
	if after := m.sh(digests); after != before {
		m.Errorf("before:\n%safter:\n%s", before, after)
	}
	m.wantCores("5.0.0-alpha.0", "5.0.0-alpha.1")
}
