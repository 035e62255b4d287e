// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import "time"

// Stage names what an update is doing. The value is the public name
// everywhere: on the bus, in the log, in updaterctl, in metrics.
type Stage string

// The stages of an update, in their order.
const (
	StageChecking   Stage = "checking"
	StageFetching   Stage = "fetching"
	StageVerifying  Stage = "verifying"
	StageInstalling Stage = "installing"
	StageSwapping   Stage = "swapping"
	StageDone       Stage = "done"
)

// Status is how far an update has come.
type Status struct {
	// Version is the release being installed.
	Version string
	Stage   Stage
	// Progress runs from 0 to 1 over the whole update and never goes back.
	Progress float64
	// BytesDone and BytesTotal count the bytes of the present stage;
	// BytesTotal is 0 where a stage moves no bytes or the size is not known.
	BytesDone, BytesTotal int64
	// BytesPerSecond is the recent rate of the present stage.
	BytesPerSecond int64
	// Remaining is an estimate for the present stage, 0 when unknown.
	Remaining time.Duration
	// Cancelable is false in the final swap, which finishes.
	Cancelable bool
}

// Check is what the server's answer means for this machine.
type Check struct {
	// Available tells whether Version may be installed here now.
	Available bool
	// Version is the version the server offers, Running the one that runs.
	Version, Running string
	// DownloadBytes is the size of what an update fetches, 0 when the server
	// does not say or nothing is to be downloaded.
	DownloadBytes int64
	// FailedBefore: Version is not available, because it did not come up here.
	FailedBefore bool
}

// InstalledState tells what an installed version is to this machine.
type InstalledState string

// The states of an installed version.
const (
	InstalledRunning    InstalledState = "running"    // the system that runs
	InstalledFallback   InstalledState = "fallback"   // whole, and boots when chosen
	InstalledPending    InstalledState = "pending"    // newer than the running one, and what boots next
	InstalledFailed     InstalledState = "failed"     // its boot counter has run out
	InstalledIncomplete InstalledState = "incomplete" // a volume without an entry, or an entry without a volume
)

// Installed is one version found on this machine's disk.
type Installed struct {
	Version string
	State   InstalledState
	// Volume is the name of the logical volume, Entry the file name of the
	// boot entry; either is empty when there is none.
	Volume, Entry string
	// SizeBytes is the size of the volume.
	SizeBytes int64
	// TriesLeft and TriesDone are the boot counter in the entry's name, -1
	// where the name has none.
	TriesLeft, TriesDone int
}
