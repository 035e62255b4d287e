// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/internal/cache"
	"github.com/clipos/updater/updater/internal/fetch"
	"github.com/clipos/updater/updater/internal/minisig"
)

// Everything that can go wrong, by meaning: a caller branches on these with
// errors.Is, dbusapi gives each its public name. What a leaf package already
// names is that same value here.
var (
	ErrBusy          = errors.New("an update is already running")
	ErrNoUpdate      = policy.ErrNotNewer
	ErrNoTransaction = errors.New("no such transaction")
	ErrNotCancelable = errors.New("the final swap cannot be cancelled")
	ErrCancelled     = errors.New("cancelled")
	ErrInterrupted   = errors.New("interrupted before it was finished")

	ErrUnknownVersion = errors.New("unknown version")
	ErrInvalidVersion = policy.ErrInvalidVersion
	ErrDowngrade      = policy.ErrDowngrade
	ErrFailedBefore   = errors.New("version did not come up when it was booted")
	ErrBlocked        = errors.New("blocked by policy")

	ErrNetworkUnavailable = fetch.ErrNetwork
	ErrTLSFailed          = fetch.ErrTLS
	ErrServer             = fetch.ErrServer
	ErrResponseTooLarge   = fetch.ErrTooLarge
	ErrTooSlow            = fetch.ErrTooSlow

	ErrSignatureInvalid = minisig.ErrInvalid
	ErrVersionMismatch  = errors.New("signed for another version")
	ErrContentMismatch  = errors.New("payloads do not belong together")

	ErrVolumeGroupNotFound = lvm.ErrGroupNotFound
	ErrVolumeInUse         = lvm.ErrInUse
	ErrVolumeTooSmall      = errors.New("volume too small")
	ErrNoSpaceVolumeGroup  = lvm.ErrNoSpace
	ErrNoSpaceESP          = efi.ErrNoSpace
	ErrNoSpaceCache        = cache.ErrNoSpace
	// ErrForeignInCache: the cache is not ours alone, or has what is not ours.
	ErrForeignInCache    = cache.ErrForeign
	ErrESPNotMounted     = efi.ErrNotMounted
	ErrBootOrderConflict = errors.New("the boot loader would not start the new version")
	ErrWriteFailed       = errors.New("write failed")
	ErrReadBackMismatch  = errors.New("what was read back differs from what was written")

	ErrConfigInvalid = fetch.ErrConfig
)

// meaning is an error that is known by one sentinel alone, whatever its cause
// was: a signature that is missing on the server is no server error.
type meaning struct{ sentinel, cause error }

func (m *meaning) Error() string { return m.sentinel.Error() + ": " + m.cause.Error() }

func (m *meaning) Unwrap() error { return m.sentinel }

// means gives an error its one meaning; nil stays nil.
func means(sentinel, cause error) error {
	if cause == nil {
		return nil
	}
	return &meaning{sentinel, cause}
}
