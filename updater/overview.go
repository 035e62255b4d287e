// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import "time"

// State is what the daemon as a whole is doing. The value is the public name.
type State string

// The states of the daemon. StateFailed lasts until the next check or update
// begins.
const (
	StateIdle           State = "idle"
	StateChecking       State = "checking"
	StateUpdating       State = "updating"
	StateRebootRequired State = "reboot-required"
	StateFailed         State = "failed"
)

// Overview is everything a client may know at one moment: the daemon fills
// it in, dbusapi shows it as properties. A value is never changed once
// published.
type Overview struct {
	OSName         string
	RunningVersion string
	State          State
	// Transaction and Status belong to the job that runs, or to the last
	// one; Transaction is empty when none runs.
	Transaction string
	Status      Status
	// AvailableVersion is the newer version the server offered last,
	// PendingVersion the installed one that waits for a reboot,
	// FallbackVersion the installed one that is neither. Empty: none.
	AvailableVersion, PendingVersion, FallbackVersion string
	RebootRequired                                    bool
	// LastError is nil after a success.
	LastError error
	// LastCheck is when the server was asked last, LastSuccess when it gave
	// an answer that could be verified, NextCheck when it is asked again.
	// Zero: never.
	LastCheck, LastSuccess, NextCheck time.Time
	// Stale is true when LastSuccess is longer ago than policy allows.
	Stale bool
	// Held: nothing is installed by itself, for HoldReason.
	Held       bool
	HoldReason string
	// Blockers are why nothing would be installed by itself now, whether or
	// not there is anything to install. Empty: nothing speaks against it.
	Blockers []Blocker
	// FailedVersions did not come up when they were booted, newest first.
	FailedVersions []string
}

// Event is something that happens once; the types below are all there are.
type Event interface{ event() }

// ProgressEvent reports the job that runs: at each change of stage and at
// most four times a second in between.
type ProgressEvent struct {
	Transaction string
	Status      Status
}

// CompletedEvent ends a transaction; there is exactly one for each. Err is
// nil after success. FetchedBytes came from the server.
type CompletedEvent struct {
	Transaction, Version string
	Err                  error
	FetchedBytes         int64
}

// UpdateAvailableEvent tells of a newer version the server offers.
type UpdateAvailableEvent struct{ Check Check }

// RebootRequiredEvent tells of an installed version that waits for a reboot.
type RebootRequiredEvent struct{ Version string }

// RolledBackEvent tells that the machine came up with an older version, To,
// than the one that was installed, From.
type RolledBackEvent struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (ProgressEvent) event()        {}
func (CompletedEvent) event()       {}
func (UpdateAvailableEvent) event() {}
func (RebootRequiredEvent) event()  {}
func (RolledBackEvent) event()      {}
