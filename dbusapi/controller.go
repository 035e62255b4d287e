// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"time"

	"github.com/clipos/updater/updater"
)

// Controller is what the methods ask. Each call returns within seconds, and
// soon after its context has ended; the context is the call's, not the job's.
type Controller interface {
	// Check asks the server now.
	Check(ctx context.Context) (updater.Check, error)
	// Update begins installing version ("" is the newest) or joins the job that
	// already does, and returns once that is accepted.
	Update(ctx context.Context, version string) (transaction string, err error)
	// Cancel ends the job; "" is the running one.
	Cancel(ctx context.Context, transaction string) error
	// ListVersions reads from the disk which versions are installed.
	ListVersions(ctx context.Context) ([]updater.Installed, error)
	// Plan tells what Update would do with version, and changes nothing.
	Plan(ctx context.Context, version string) (updater.Plan, error)
	// Rollback makes an installed version ("" is the fallback) the one that
	// boots next, and returns it.
	Rollback(ctx context.Context, version string) (string, error)
	// MarkBoot tells whether the running version is good.
	MarkBoot(ctx context.Context, good bool, reason string) error
	// Hold keeps updates from being installed by themselves until then; zero
	// stands for until Unhold.
	Hold(ctx context.Context, reason string, until time.Time) error
	Unhold(ctx context.Context) error
	// History is how the last transactions ended, the newest first; limit 0
	// stands for all.
	History(ctx context.Context, limit int) ([]updater.HistoryEntry, error)
	// ForgetFailure allows a version that did not come up before.
	ForgetFailure(ctx context.Context, version string) error
	// Reload reads the configuration again; the old one stays when it is
	// invalid.
	Reload(ctx context.Context) error
	// Overview is the present state, at once.
	Overview() updater.Overview
}
