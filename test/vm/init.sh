#!/bin/busybox sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# The test machine's initramfs: activates the volume group, opens the core
# image that the kernel's command line names as CLIP OS's does, and starts the
# system in it. Whatever fails resets the machine, so that the boot loader
# counts the attempt.
export PATH=/bin:/sbin DM_DISABLE_UDEV=1

die() {
	echo "initramfs: $*" >/dev/kmsg
	sync
	echo b >/proc/sysrq-trigger
	sleep 60
}

parameter() {
	sed -n "s/^\(.* \)\{0,1\}$1=\([^ ]*\).*/\2/p" /proc/cmdline
}

# field prints numbers of the verity superblock: field FORMAT OFFSET BYTES.
field() {
	dd if="$device" bs=1 skip=$((offset + $2)) count="$3" 2>/dev/null | od -An -v -t "$1" | tr -d ' \n'
}

# It finds itself in /proc.
busybox mount -t proc none /proc
busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t sysfs none /sys
for module in /modules/*; do
	insmod "$module" || die "$module"
done

device=$(parameter rd.verity.device)
name=$(parameter rd.verity.name)
offset=$(parameter rd.verity.hashoffset)
hash=$(parameter rd.verity.roothash)

# virtio disks are found in the background.
tries=0
until [ -b /dev/vda2 ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || die "no disk"
	sleep 0.1
done
lvm vgchange --quiet --activate y --sysinit mainvg >/dev/null || die "no volume group"
[ -b "$device" ] || die "no $device"

# The superblock is the one of `veritysetup format`: the counts of data blocks
# and salt bytes, and the salt.
blocks=$(field u8 72 8)
salt=$(field x1 88 "$(field u2 80 2)")
dmsetup create "$name" --readonly --table \
	"0 $((blocks * 8)) verity 1 $device $device 4096 4096 $blocks $((offset / 4096 + 1)) sha256 $hash ${salt:--} 1 panic_on_corruption" ||
	die "cannot open $name"
mount -t squashfs -o ro "/dev/mapper/$name" /sysroot || die "no root file system"
mount -t ext4 /dev/mainvg/core_state /sysroot/var || die "no state"

# A test that needs the network will tell that there is none.
ip link set lo up
ip link set eth0 up
udhcpc -q -f -n -t 5 -T 2 -i eth0 -s /udhcpc || true

mount --move /dev /sysroot/dev
mount --move /sys /sysroot/sys
mount --move /proc /sysroot/proc
exec switch_root /sysroot /usr/lib/systemd/systemd
