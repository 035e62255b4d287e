// SPDX-License-Identifier: LGPL-2.1-or-later

package policy

// Blocker is a reason why a machine does not install updates by itself now.
type Blocker struct {
	Code BlockerCode
	// Text says the same in a sentence for people, with what ends it.
	Text string
}

// BlockerCode names a reason. The value is the public name.
type BlockerCode string

// The reasons.
const (
	// BlockerMode: policy says not to go that far without being asked.
	BlockerMode BlockerCode = "mode"
	// BlockerHeld: somebody holds updates.
	BlockerHeld BlockerCode = "held"
	// BlockerWindow: outside every maintenance window.
	BlockerWindow BlockerCode = "outside-window"
	// BlockerPower: on battery, or it cannot be told.
	BlockerPower BlockerCode = "on-battery"
	// BlockerMetered: the network costs by volume, or it cannot be told.
	BlockerMetered BlockerCode = "metered"
	// BlockerNotConfirmed: the running version was not found good yet, and
	// what would be overwritten is what the machine could fall back to.
	BlockerNotConfirmed BlockerCode = "not-confirmed"
	// BlockerFailedBefore: the version offered did not come up here.
	BlockerFailedBefore BlockerCode = "failed-before"
	// BlockerRetryLater: the last attempt failed, and the next is not due yet.
	BlockerRetryLater BlockerCode = "retry-later"
	// BlockerRollback: somebody chose to go back to an older version, which
	// an update would overwrite before it was started.
	BlockerRollback BlockerCode = "rollback"
)
