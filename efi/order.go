// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"cmp"
	"slices"
	"strings"
)

// Sort puts entries in the order of systemd-boot's menu, of which the first is
// the one that starts by default (config_entry_compare in
// src/boot/efi/boot.c, systemd 252, unchanged since but for UKIs with several
// profiles). What systemd-boot does not list comes last.
func Sort(entries []Entry) {
	slices.SortStableFunc(entries, compareEntries)
}

func compareEntries(a, b Entry) int {
	r := cmp.Or(
		falseFirst(!a.Bootable, !b.Bootable),
		falseFirst(isBad(a), isBad(b)),
		falseFirst(a.SortKey == "", b.SortKey == ""),
		strings.Compare(a.SortKey, b.SortKey),
	)
	if r == 0 && a.SortKey != "" {
		r = CompareVersions(b.OSVersion, a.OSVersion)
	}
	// The identifier of an entry is its file name in small letters, boot
	// counter included. systemd-boot compares the counters once more behind it,
	// for files of one name on two partitions.
	return cmp.Or(r, CompareVersions(lower(b.File), lower(a.File)))
}

// isBad tells whether an entry never came up in all its tries.
func isBad(e Entry) bool {
	left, _, counted := tries(e.File)
	return counted && left == 0
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
