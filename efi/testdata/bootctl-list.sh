#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints the files of a folder in the order of bootctl(1): bootctl-list.sh FOLDER BOOTCTL.
# Run it as root over the folder that TestSortAsBootctl builds.
set -eu
esp=$(mktemp -d)
mount -t tmpfs none "$esp"
trap 'umount "$esp"; rmdir "$esp"' EXIT
mkdir -p "$esp/EFI/Linux" "$esp/loader/entries"
find "$1" -maxdepth 1 -type f -exec cp {} "$esp/EFI/Linux/" \;
SYSTEMD_RELAX_ESP_CHECKS=1 "$2" --esp-path="$esp" --json=short list |
	sed 's|.*"path":"[^"]*/\([^"/]*\)".*|\1|'
