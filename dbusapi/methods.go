// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"sync"
	"time"

	"github.com/clipos/updater/updater"
	"github.com/godbus/dbus/v5"
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
	// Overview is the present state, at once.
	Overview() updater.Overview
}

// methods is the method table of Interface. A table, because the library would
// publish every suitable method of an object.
func (l *link) methods(ctx context.Context) map[string]any {
	return map[string]any{
		"Check": func(m dbus.Message, options dict) (dict, *dbus.Error) {
			return serve(ctx, l.service.calls, m, "a{sv}", func(ctx context.Context) (dict, error) {
				return l.check(ctx, m, options)
			})
		},
		"Update": func(m dbus.Message, version string, options dict) (string, *dbus.Error) {
			return serve(ctx, l.service.calls, m, "sa{sv}", func(ctx context.Context) (string, error) {
				return l.update(ctx, m, version, options)
			})
		},
		"Cancel": func(m dbus.Message, transaction string) *dbus.Error {
			// Found out once, before anybody is asked.
			job := sync.OnceValue(func() string { return l.named(transaction) })
			_, err := serve(ctx, l.service.calls, m, "s", func(ctx context.Context) (struct{}, error) {
				return struct{}{}, l.cancel(ctx, m, job())
			})
			return err
		},
		"ListVersions": func(m dbus.Message) ([]dict, *dbus.Error) {
			return serve(ctx, l.service.calls, m, "", l.listVersions)
		},
	}
}

func (l *link) check(ctx context.Context, m dbus.Message, options dict) (dict, error) {
	if err := noOptions(options); err != nil {
		return nil, err
	}
	c, err := l.authorise(ctx, m, actionCheck)
	if err != nil {
		return nil, err
	}
	if !l.service.checks.allow(c.uid, time.Now()) {
		return nil, standardError("LimitsExceeded", "at most one check every %v", checkInterval)
	}
	found, err := l.service.controller.Check(ctx)
	if err != nil {
		return nil, err
	}
	return encodeCheck(found), nil
}

func (l *link) update(ctx context.Context, m dbus.Message, version string, options dict) (string, error) {
	if err := noOptions(options); err != nil {
		return "", err
	}
	c, err := l.authorise(ctx, m, updateAction(version))
	if err != nil {
		return "", err
	}
	transaction, err := l.service.controller.Update(ctx, version)
	if err != nil {
		return "", err
	}
	l.service.job.begun(transaction, c.uid)
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

func (l *link) cancel(ctx context.Context, m dbus.Message, transaction string) error {
	c, err := identify(ctx, l.bus, sender(m))
	if err != nil {
		return err
	}
	if !l.service.job.ownedBy(c.uid, transaction) {
		if err := l.service.authoriser.authorise(ctx, c, actionCancel, isInteractive(m)); err != nil {
			return err
		}
	}
	return l.service.controller.Cancel(ctx, transaction)
}

func (l *link) listVersions(ctx context.Context) ([]dict, error) {
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

// authorise finds out who sent m and whether it may.
func (l *link) authorise(ctx context.Context, m dbus.Message, a action) (caller, error) {
	c, err := identify(ctx, l.bus, sender(m))
	if err != nil {
		return caller{}, err
	}
	return c, l.service.authoriser.authorise(ctx, c, a, isInteractive(m))
}
