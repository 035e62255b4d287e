// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What vagrant/provision is called with in the guest, whose second disk is
// empty and whose third is the archive.
const provision = "sh /tmp/provision /dev/vdc"

// vagrant/provision overwrites an empty disk that is marked, and nothing else.
// What it makes boots and updates itself.
func TestProvision(t *testing.T) {
	needsQEMU(t) // under libvirt the machine's disk has been made so already
	maker, second := startMaker(t)
	for _, test := range []struct{ name, before, after, want string }{
		{
			"no virtual machine", "mount --bind /bin/false /usr/bin/systemd-detect-virt", "umount /usr/bin/systemd-detect-virt",
			"this is no virtual machine",
		},
		{
			"a byte is not zero", "echo | dd of=/dev/vdb bs=1M seek=1000 conv=fsync status=none",
			"dd if=/dev/zero of=/dev/vdb bs=1 count=1 seek=1000M conv=fsync status=none", "/dev/vdb is not empty",
		},
		{
			"a partition", "echo , | sfdisk --quiet --label dos /dev/vdb",
			"dd if=/dev/zero of=/dev/vdb bs=512 count=1 conv=fsync status=none; blockdev --rereadpt /dev/vdb", "/dev/vdb has partitions",
		},
		{
			"swap", "mkswap /dev/vdb; swapon /dev/vdb",
			"swapoff /dev/vdb; dd if=/dev/zero of=/dev/vdb bs=1M count=1 conv=fsync status=none", "/dev/vdb is in use",
		},
	} {
		maker.sh(test.before)
		maker.refused("error: "+test.want+"; nothing was touched", "sh", "-c", provision)
		maker.sh(test.after)
	}
	maker.sh(provision)
	maker.refused("error: /dev/vdb has partitions", "sh", "-c", provision)
	maker.stop()
	startProvisioned(t, second).updates()
}

// Without a marked disk there is none to overwrite.
func TestProvisionUnmarked(t *testing.T) {
	m := scenario(t)
	m.putProvision()
	m.refused("error: no disk has the serial number updater-test", "sh", "-c", provision)
}

// updates asserts that the machine is as it must be at the beginning and
// updates itself.
func (m *machine) updates() {
	m.Helper()
	m.wantCores("5.0.0-alpha.0", "5.0.0-alpha.1")
	m.wantEntries("clipos-5.0.0-alpha.0.efi", "clipos-5.0.0-alpha.1.efi")
	m.wantSame("/dev/mainvg/core_5.0.0-alpha.1", m.payload(runningVersion, "core"))
	m.offer(nextVersion)
	m.update()
	m.reboot(nextVersion)
	m.wantUpdated()
}

// startMaker starts a machine with a second, empty disk, whose file it returns.
func startMaker(t *testing.T) (m *machine, second string) {
	t.Helper()
	// Before the machine, so that they go after it.
	second = filepath.Join(t.TempDir(), "second.raw")
	archive := filepath.Join(t.TempDir(), "parts.tar")
	files := filesIn(t.TempDir())
	m = newMachine(t)
	err := os.WriteFile(second, nil, 0o644)
	for _, step := range []func() error{
		func() error { return os.Truncate(second, 2<<30) },
		func() error { return all(t.Context(), [][]string{m.parts().pack(archive)}) },
		func() error { return files.create(t.Context(), m.diskPath()) },
		func() (err error) {
			m.running, err = startWithDisks(t.Context(), filepath.Dir(files.layer), "", append(files.disk(),
				"-drive", "if=none,id=second,format=raw,cache=unsafe,discard=unmap,file="+second,
				"-device", "virtio-blk-pci,drive=second,serial=updater-test",
				"-drive", "if=none,id=archive,format=raw,readonly=on,file="+archive,
				"-device", "virtio-blk-pci,drive=archive"))
			return err
		},
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	m.awaitBoot(runningVersion)
	m.putProvision()
	return m, second
}

func (m *machine) putProvision() {
	m.Helper()
	script, err := os.ReadFile("../../vagrant/provision")
	if err != nil {
		m.Fatal(err)
	}
	m.put(strings.Fields(provision)[1], string(script))
}

// startProvisioned starts a machine with a disk that was made in another.
func startProvisioned(t *testing.T, disk string) *machine {
	t.Helper()
	files := filesIn(t.TempDir())
	m := newMachine(t)
	err := files.create(t.Context(), disk)
	if err == nil {
		m.running, err = startEmulator(t.Context(), filepath.Dir(files.layer), "")
	}
	if err != nil {
		t.Fatal(err)
	}
	m.awaitBoot(runningVersion)
	return m
}
