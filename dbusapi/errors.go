// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/clipos/updater/updater"
	"github.com/godbus/dbus/v5"
)

// ErrNoBus: there is no bus to talk to at the address.
var ErrNoBus = errors.New("message bus not reachable")

// ErrNameTaken: another process owns the bus name, most likely a second daemon.
var ErrNameTaken = errors.New("the bus name " + BusName + " is taken: is another updaterd running?")

// internalName is the name of every error that has none of its own: a fault of
// this program.
const internalName = "Internal"

// errorNames gives each error its public name, in the order of the interface
// description. It is the only such mapping.
var errorNames = []struct {
	err  error
	name string
}{
	{updater.ErrBusy, "Busy"},
	{updater.ErrNoUpdate, "NoUpdate"},
	{updater.ErrNoTransaction, "NoTransaction"},
	{updater.ErrNotCancelable, "NotCancelable"},
	{updater.ErrCancelled, "Cancelled"},
	{updater.ErrInterrupted, "Interrupted"},
	{updater.ErrUnknownVersion, "UnknownVersion"},
	{updater.ErrInvalidVersion, "InvalidVersion"},
	{updater.ErrDowngrade, "Downgrade"},
	{updater.ErrFailedBefore, "FailedBefore"},
	{updater.ErrBlocked, "Blocked"},

	{updater.ErrNetworkUnavailable, "NetworkUnavailable"},
	{updater.ErrTLSFailed, "TLSFailed"},
	{updater.ErrServer, "ServerError"},
	{updater.ErrResponseTooLarge, "ResponseTooLarge"},
	{updater.ErrTooSlow, "TooSlow"},

	{updater.ErrSignatureInvalid, "SignatureInvalid"},
	{updater.ErrVersionMismatch, "VersionMismatch"},
	{updater.ErrContentMismatch, "ContentMismatch"},

	{updater.ErrVolumeGroupNotFound, "VolumeGroupNotFound"},
	{updater.ErrVolumeInUse, "VolumeInUse"},
	{updater.ErrVolumeTooSmall, "VolumeTooSmall"},
	{updater.ErrNoSpaceVolumeGroup, "NoSpaceVolumeGroup"},
	{updater.ErrNoSpaceESP, "NoSpaceESP"},
	{updater.ErrNoSpaceCache, "NoSpaceCache"},
	{updater.ErrESPNotMounted, "ESPNotMounted"},
	{updater.ErrBootOrderConflict, "BootOrderConflict"},
	{updater.ErrWriteFailed, "WriteFailed"},
	// The cache cannot be written because its place is taken.
	{updater.ErrForeignInCache, "WriteFailed"},
	{updater.ErrReadBackMismatch, "ReadBackMismatch"},

	{updater.ErrConfigInvalid, "ConfigInvalid"},

	// What a context says when nobody below gave it a better name.
	{context.Canceled, "Cancelled"},
	{context.DeadlineExceeded, "TooSlow"},

	// Only ever on this side of the wire, with the D-Bus Specification's name.
	{ErrNoBus, "NoServer"},
	// Another daemon is at work, as when the state folder is locked.
	{ErrNameTaken, "Busy"},
}

// ErrorName is the public name of err without its prefix, for example
// "VolumeTooSmall"; "Internal" when it has none, "" for nil.
func ErrorName(err error) string {
	if err == nil {
		return ""
	}
	var remote *RemoteError
	if errors.As(err, &remote) {
		return remote.ShortName()
	}
	for _, e := range errorNames {
		if errors.Is(err, e.err) {
			return e.name
		}
	}
	return internalName
}

// busErrorName is the full name of err on the bus, "" for nil.
func busErrorName(err error) string {
	if err == nil {
		return ""
	}
	return fullName(ErrorName(err))
}

// fullName is a public name of ours with its prefix, "" for "".
func fullName(short string) string {
	if short == "" {
		return ""
	}
	return errorPrefix + short
}

// shortName is a name without its prefix.
func shortName(full string) string {
	return full[strings.LastIndexByte(full, '.')+1:]
}

// toBus is err as the answer to a method call, nil for nil.
func toBus(err error) *dbus.Error {
	var standard *dbus.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &standard):
		return standard
	}
	return dbus.NewError(busErrorName(err), []any{text(err.Error())})
}

// standardError is one of the errors that the D-Bus Specification names, which
// every caller knows without knowing this interface.
func standardError(name, format string, args ...any) *dbus.Error {
	return dbus.NewError(standardErrorPrefix+name, []any{text(fmt.Sprintf(format, args...))})
}

// RemoteError is an error that came over the bus.
type RemoteError struct {
	// Name is the full D-Bus error name.
	Name string
	// Message is for people. It comes from the other side: do not print it to
	// a terminal as it is.
	Message string
}

func (e *RemoteError) Error() string {
	if e.Message == "" {
		return e.Name
	}
	return e.Message
}

// ShortName is the name without its prefix, as [ErrorName] gives it.
func (e *RemoteError) ShortName() string {
	return shortName(e.Name)
}

// Is makes errors.Is find the updater's errors in those that come over the bus.
func (e *RemoteError) Is(target error) bool {
	for _, known := range errorNames {
		if known.err == target {
			return e.Name == errorPrefix+known.name
		}
	}
	return false
}
