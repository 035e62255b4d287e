// SPDX-License-Identifier: LGPL-2.1-or-later

// Package vm tests the updater on a real machine under QEMU: firmware, boot
// loader, kernel, device-mapper, dm-verity, a FAT partition, systemd, the
// message bus and polkit are the real ones. Only the processor is emulated.
//
// The tests have the build tag vm; see docs/vm.md.
//
// # Who takes part
//
//	base.sh      Debian's part of the system, made once and kept in a cache
//	image/       what makes it a test machine: configuration, units, a health check
//	init.sh      its initramfs
//	disk.sh      makes its disk of parts, in a file or in a guest
//	cmd/agent/   runs inside, does what the host asks
//	cmd/         programs that tests put inside: an update in the wrong order, LVM's changes alone
//	lab          one run's releases, disk and server
//	hypervisor   runs the machine: QEMU, a process of ours, or libvirt by Vagrant
//	machine      the machine during one test, always starting from the same state
package vm
