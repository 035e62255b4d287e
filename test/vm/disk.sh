#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   disk.sh DISK PARTS [LVMROOT ROOT]
#
# Makes the disk of a test machine: a GPT, an EFI system partition, and a
# physical volume with the group mainvg. DISK is a file, or a block device on
# which every byte is zero. What is on it comes from the folder PARTS:
#
#   layout         the sizes of the partitions, ESP_MIB= and GROUP_MIB=
#   esp/           the content of the ESP
#   volumes/NAME   the content of a logical volume, which gets the file's size
#
# The group is made by device-mapper on DISK's second partition or, where the
# kernel has none, by the script LVMROOT in its folder ROOT.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin

disk=$1 parts=$2 lvmroot=${3:-} root=${4:-}
ESP_MIB='' GROUP_MIB=''
# shellcheck source=/dev/null
. "$parts/layout"
# The first MiB is the partition table's, the last one its copy's.
esp_at=1
group_at=$((esp_at + ESP_MIB))

partition() {
	[ -b "$disk" ] || truncate --size=$((group_at + GROUP_MIB + 1))M "$disk"
	sfdisk --quiet --label gpt "$disk" <<-END
		start=${esp_at}MiB, size=${ESP_MIB}MiB, type=uefi
		start=${group_at}MiB, size=${GROUP_MIB}MiB, type=lvm
	END
}

# In a file the ESP is written through the whole disk.
fill_esp() {
	if [ -b "$disk" ]; then
		mkfs.vfat -F 32 -s 1 "${disk}1" >/dev/null
		esp=$(mktemp --directory /run/esp.XXXXXX)
		mount -t vfat "${disk}1" "$esp"
		cp -r "$parts/esp/." "$esp"
		umount "$esp"
		rmdir "$esp"
	else
		mkfs.vfat -F 32 -s 1 --offset=$((esp_at * 2048)) "$disk" $((ESP_MIB * 1024)) >/dev/null
		mcopy -s -i "$disk@@${esp_at}M" "$parts"/esp/* ::/
	fi
}

# fill LVM GROUP DEVICES makes the volumes, with a command that is lvm, in a
# group whose devices are in a folder.
fill() {
	for content in "$parts"/volumes/*; do
		name=${content##*/}
		size=$(stat --format=%s "$content")
		"$1" lvcreate --quiet --zero n --wipesignatures n --name "$name" --size "${size}b" "$2"
		dd if="$content" of="$3/$name" bs=1M conv=sparse,notrunc,fsync status=none
		cmp --bytes="$size" "$content" "$3/$name"
	done
}

# this_lvm sees no physical volume but ours, for the machine that this runs on
# may have a mainvg too, and leaves no backup of its metadata there.
this_lvm() {
	command=$1
	shift
	lvm "$command" --config "devices { dir=\"$dev\" scan=[\"/dev\"] use_devicesfile=0 filter=[\"a|^${disk}2\$|\", \"r|.*|\"] } backup { backup=0 archive=0 }" "$@"
}

with_device_mapper() {
	dev=/dev
	this_lvm pvcreate --quiet "${disk}2"
	# Devices are named after groups, which is why this one gets its name last.
	this_lvm vgcreate --quiet mainvg_new "${disk}2"
	fill this_lvm mainvg_new /dev/mainvg_new
	this_lvm vgchange --quiet --activate n mainvg_new
	# Another mainvg has its folder in /dev, where nothing is needed any more.
	dev=$(mktemp --directory /run/dev.XXXXXX)
	this_lvm vgrename --quiet mainvg_new mainvg
	rm -r "$dev"
}

with_lvmroot() {
	trap '"$lvmroot" detach "$root"' EXIT
	"$lvmroot" add "$root" mainvg "${GROUP_MIB}M"
	fill "$root/usr/sbin/lvm" mainvg "$root/dev/mainvg"
	"$lvmroot" detach "$root"
	trap - EXIT
	image=$root/var/lib/lvmroot/mainvg.img
	dd if="$image" of="$disk" bs=1M seek=$group_at conv=sparse,notrunc status=none
	rm "$image"
}

partition
fill_esp
if [ -n "$lvmroot" ]; then
	with_lvmroot
else
	with_device_mapper
fi
sync "$disk"
