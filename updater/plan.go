// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import "github.com/clipos/updater/policy"

// Blocker is a reason why the daemon does not install by itself now.
type Blocker = policy.Blocker

// Plan is what an update would do.
type Plan struct {
	// Version would be installed.
	Version string
	// DownloadBytes are still to be fetched, 0 also when the server does not
	// say; ReuseBytes are in the cache already; WriteBytes go to the volume
	// and the EFI system partition, 0 when not known.
	DownloadBytes, ReuseBytes, WriteBytes int64
	// Volume and Entry are the names of the new volume and boot entry.
	Volume, Entry string
	// ReplacedVolume would be renamed and overwritten, empty when a new one is
	// created; Reason says why this one. ReplacedEntries would be removed.
	ReplacedVolume, Reason string
	ReplacedEntries        []string
	// CacheBytes, ESPBytes and GroupBytes are the room that is needed beyond
	// what the update itself frees: in the cache, the EFI system partition
	// and the volume group.
	CacheBytes, ESPBytes, GroupBytes int64
	// Blockers are why the daemon would not do it by itself now.
	Blockers []Blocker
}
