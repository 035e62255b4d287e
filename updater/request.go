// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"fmt"
)

// Request says what is to be installed, and how.
type Request struct {
	// Version is to be installed, the newest that is offered when empty.
	Version string
	// Report is called, from one goroutine at a time, whenever the job has
	// come further. May be nil.
	Report func(Status)
	// Proceed is asked once both payloads are verified and before anything
	// is changed: false ends the job there, which is no error. May be nil.
	Proceed func() bool
	// Inhibit keeps the machine from being shut down or suspended from the
	// first removal to the end of the swap, when release is called. May be nil.
	Inhibit func(context.Context) (release func())
}

// Outcome is a finished update.
type Outcome struct {
	// Version is the release; Installed tells that it boots next and was not
	// only fetched.
	Version   string
	Installed bool
	// FetchedBytes came from the server.
	FetchedBytes int64
	// Notes say which volume was chosen and why, and what an administrator
	// should know although nothing failed. For the log.
	Notes []string
}

// Error is an error of Update or Check.
type Error struct {
	// Version is what was to be installed, empty while that was not known.
	Version string
	Err     error
}

func (e *Error) Error() string {
	if e.Version == "" {
		return fmt.Sprintf("cannot check for an update: %v", e.Err)
	}
	return fmt.Sprintf("cannot update to %s: %v", e.Version, e.Err)
}

// Unwrap returns the error without its preamble.
func (e *Error) Unwrap() error { return e.Err }
