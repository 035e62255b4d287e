// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/updater"
)

// What the methods do, all in the same order: look at the arguments, ask
// whether the caller may, then act with these same arguments.

func (l *link) check(ctx context.Context, c caller, m dbus.Message) (dict, error) {
	if err := l.authorise(ctx, c, m, actionCheck); err != nil {
		return nil, err
	}
	if err := l.mayAskServer(c); err != nil {
		return nil, err
	}
	found, err := l.service.controller.Check(ctx)
	if err != nil {
		return nil, err
	}
	return encodeCheck(found), nil
}

// mayAskServer counts a call that has the server asked.
func (l *link) mayAskServer(c caller) error {
	if !l.service.checks.allow(c.uid, time.Now()) {
		return standardError("LimitsExceeded", "the server may be asked once every %v", checkInterval)
	}
	return nil
}

func (l *link) update(ctx context.Context, c caller, m dbus.Message, version string) (string, error) {
	before := l.service.controller.Overview()
	needed := actionUpdateToVersion
	if version == "" || version == before.AvailableVersion {
		needed = actionUpdate
	}
	if err := l.authorise(ctx, c, m, needed); err != nil {
		return "", err
	}
	if err := l.mayAskServer(c); err != nil {
		return "", err
	}
	transaction, err := l.service.controller.Update(ctx, version)
	if err != nil {
		return "", err
	}
	// A job that ran before this call is nobody's by joining it: the service
	// may have begun it by itself.
	if transaction != before.Transaction {
		l.service.job.begun(transaction, c.uid)
	}
	return transaction, nil
}

// named is the transaction a caller means, "" for none. The one that runs now is
// the one whose owner counts and that is cancelled, whatever runs by then.
func (l *link) named(transaction string) string {
	if transaction == "" {
		return l.service.controller.Overview().Transaction
	}
	return transaction
}

func (l *link) cancel(ctx context.Context, c caller, m dbus.Message, transaction string) error {
	if !l.service.job.ownedBy(c.uid, transaction) {
		if err := l.authorise(ctx, c, m, actionCancel); err != nil {
			return err
		}
	}
	if transaction == "" {
		// What has begun since was not meant.
		return updater.ErrNoTransaction
	}
	return l.service.controller.Cancel(ctx, transaction)
}

// plan asks the server like a check does, and counts as one.
func (l *link) plan(ctx context.Context, c caller, version string) (dict, error) {
	if err := l.mayAskServer(c); err != nil {
		return nil, err
	}
	plan, err := l.service.controller.Plan(ctx, version)
	if err != nil {
		return nil, err
	}
	return encodePlan(plan), nil
}

// listVersions is for everybody, so each user has to leave time between two: it
// runs the volume manager's tools and reads all boot entries.
func (l *link) listVersions(ctx context.Context, c caller) ([]dict, error) {
	if !l.service.lists.allow(c.uid, time.Now()) {
		return nil, standardError("LimitsExceeded", "the disk may be read once every %v", checkInterval)
	}
	installed, err := l.service.controller.ListVersions(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]dict, len(installed))
	for i, v := range installed {
		list[i] = encodeInstalled(v)
	}
	return list, nil
}

func (l *link) rollback(ctx context.Context, c caller, m dbus.Message, version string) (string, error) {
	if err := l.authorise(ctx, c, m, actionRollback); err != nil {
		return "", err
	}
	chosen, err := l.service.controller.Rollback(ctx, version)
	return text(chosen), err
}

func (l *link) markBoot(ctx context.Context, c caller, m dbus.Message, result, reason string) error {
	if result != "good" && result != "bad" {
		return standardError("InvalidArgs", `the result is "good" or "bad", not %.64q`, result)
	}
	if err := l.authorise(ctx, c, m, actionMarkBoot); err != nil {
		return err
	}
	return l.service.controller.MarkBoot(ctx, result == "good", text(reason))
}

func (l *link) hold(ctx context.Context, c caller, m dbus.Message, reason string, until uint64) error {
	if strings.TrimSpace(reason) == "" {
		return standardError("InvalidArgs", "a hold has a reason")
	}
	end := fromMicros(until)
	if !end.IsZero() && (!end.After(time.Now()) || end.Year() > maxYear) {
		return standardError("InvalidArgs", "a hold ends in the future, or with 0 by Unhold, not %d µs after the epoch", until)
	}
	if err := l.authorise(ctx, c, m, actionHold); err != nil {
		return err
	}
	return l.service.controller.Hold(ctx, text(reason), end)
}

// maxYear is the last one that RFC 3339 can write, in which such times are
// stored and printed.
const maxYear = 9999

func (l *link) unhold(ctx context.Context, c caller, m dbus.Message) error {
	if err := l.authorise(ctx, c, m, actionHold); err != nil {
		return err
	}
	return l.service.controller.Unhold(ctx)
}

func (l *link) getHistory(ctx context.Context, limit uint32) ([]dict, error) {
	entries, err := l.service.controller.History(ctx, int(min(limit, math.MaxInt32)))
	if err != nil {
		return nil, err
	}
	return encodeHistory(entries), nil
}

func (l *link) forgetFailure(ctx context.Context, c caller, m dbus.Message, version string) error {
	// It allows what was refused, so it needs the right to choose a version.
	if err := l.authorise(ctx, c, m, actionUpdateToVersion); err != nil {
		return err
	}
	return l.service.controller.ForgetFailure(ctx, version)
}

func (l *link) reload(ctx context.Context, c caller, m dbus.Message) error {
	if err := l.authorise(ctx, c, m, actionReload); err != nil {
		return err
	}
	return l.service.controller.Reload(ctx)
}
