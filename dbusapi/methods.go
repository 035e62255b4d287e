// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"sync"

	"github.com/godbus/dbus/v5"
)

// methods is the method table of Interface. A table, because the library would
// publish every suitable method of an object.
func (l *link) methods(ctx context.Context) map[string]any {
	return map[string]any{
		"Check": func(m dbus.Message, options dict) (dict, *dbus.Error) {
			return method(ctx, l, m, "a{sv}", func(ctx context.Context) (dict, error) { return l.check(ctx, m, options) })
		},
		"Update": func(m dbus.Message, version string, options dict) (string, *dbus.Error) {
			return method(ctx, l, m, "sa{sv}", func(ctx context.Context) (string, error) { return l.update(ctx, m, version, options) })
		},
		"Cancel": func(m dbus.Message, transaction string) *dbus.Error {
			// Found out once, before anybody is asked.
			job := sync.OnceValue(func() string { return l.named(transaction) })
			return l.command(ctx, m, "s", func(ctx context.Context) error { return l.cancel(ctx, m, job()) })
		},
		"Plan": func(m dbus.Message, version string) (dict, *dbus.Error) {
			return serve(ctx, l.service.queries, m, "s", func(ctx context.Context) (dict, error) { return l.plan(ctx, m, version) })
		},
		"ListVersions": func(m dbus.Message) ([]dict, *dbus.Error) {
			return serve(ctx, l.service.queries, m, "", l.listVersions)
		},
		"Rollback": func(m dbus.Message, version string, options dict) (string, *dbus.Error) {
			return method(ctx, l, m, "sa{sv}", func(ctx context.Context) (string, error) { return l.rollback(ctx, m, version, options) })
		},
		"MarkBoot": func(m dbus.Message, result, reason string) *dbus.Error {
			return l.command(ctx, m, "ss", func(ctx context.Context) error { return l.markBoot(ctx, m, result, reason) })
		},
		"Hold": func(m dbus.Message, reason string, until uint64) *dbus.Error {
			return l.command(ctx, m, "st", func(ctx context.Context) error { return l.hold(ctx, m, reason, until) })
		},
		"Unhold": func(m dbus.Message) *dbus.Error {
			return l.command(ctx, m, "", func(ctx context.Context) error { return l.unhold(ctx, m) })
		},
		"GetHistory": func(m dbus.Message, limit uint32) ([]dict, *dbus.Error) {
			return serve(ctx, l.service.queries, m, "u", func(ctx context.Context) ([]dict, error) { return l.getHistory(ctx, limit) })
		},
		"ForgetFailure": func(m dbus.Message, version string) *dbus.Error {
			return l.command(ctx, m, "s", func(ctx context.Context) error { return l.forgetFailure(ctx, m, version) })
		},
		"Reload": func(m dbus.Message) *dbus.Error {
			return l.command(ctx, m, "", func(ctx context.Context) error { return l.reload(ctx, m) })
		},
	}
}

// method answers the call m of a method that needs a right and has a result.
func method[T any](ctx context.Context, l *link, m dbus.Message, signature string, handler func(context.Context) (T, error)) (T, *dbus.Error) {
	return serve(ctx, l.service.calls, m, signature, handler)
}

// command answers the call m of a method that needs a right and has none.
func (l *link) command(ctx context.Context, m dbus.Message, signature string, handler func(context.Context) error) *dbus.Error {
	_, err := method(ctx, l, m, signature, func(ctx context.Context) (struct{}, error) { return struct{}{}, handler(ctx) })
	return err
}

// authorise finds out who sent m and whether it may.
func (l *link) authorise(ctx context.Context, m dbus.Message, a action) (caller, error) {
	c, err := identify(ctx, l.bus, sender(m))
	if err != nil {
		return caller{}, err
	}
	return c, l.service.authoriser.authorise(ctx, c, a, isInteractive(m))
}
