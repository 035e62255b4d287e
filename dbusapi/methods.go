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
			if refusal := noOptions(options); refusal != nil {
				return nil, refusal
			}
			return method(ctx, l, l.service.calls, m, "a{sv}", func(ctx context.Context, c caller) (dict, error) { return l.check(ctx, c, m) })
		},
		"Update": func(m dbus.Message, version string, options dict) (string, *dbus.Error) {
			if refusal := noOptions(options); refusal != nil {
				return "", refusal
			}
			return method(ctx, l, l.service.calls, m, "sa{sv}", func(ctx context.Context, c caller) (string, error) { return l.update(ctx, c, m, version) })
		},
		"Cancel": func(m dbus.Message, transaction string) *dbus.Error {
			// Found out once, before anybody is asked.
			job := sync.OnceValue(func() string { return l.named(transaction) })
			return l.command(ctx, m, "s", func(ctx context.Context, c caller) error { return l.cancel(ctx, c, m, job()) })
		},
		"Plan": func(m dbus.Message, version string) (dict, *dbus.Error) {
			return method(ctx, l, l.service.queries, m, "s", func(ctx context.Context, c caller) (dict, error) { return l.plan(ctx, c, version) })
		},
		"ListVersions": func(m dbus.Message) ([]dict, *dbus.Error) {
			return method(ctx, l, l.service.queries, m, "", func(ctx context.Context, c caller) ([]dict, error) { return l.listVersions(ctx, c) })
		},
		"Rollback": func(m dbus.Message, version string, options dict) (string, *dbus.Error) {
			if refusal := noOptions(options); refusal != nil {
				return "", refusal
			}
			return method(ctx, l, l.service.calls, m, "sa{sv}", func(ctx context.Context, c caller) (string, error) { return l.rollback(ctx, c, m, version) })
		},
		"MarkBoot": func(m dbus.Message, result, reason string) *dbus.Error {
			return l.command(ctx, m, "ss", func(ctx context.Context, c caller) error { return l.markBoot(ctx, c, m, result, reason) })
		},
		"Hold": func(m dbus.Message, reason string, until uint64) *dbus.Error {
			return l.command(ctx, m, "st", func(ctx context.Context, c caller) error { return l.hold(ctx, c, m, reason, until) })
		},
		"Unhold": func(m dbus.Message) *dbus.Error {
			return l.command(ctx, m, "", func(ctx context.Context, c caller) error { return l.unhold(ctx, c, m) })
		},
		"GetHistory": func(m dbus.Message, limit uint32) ([]dict, *dbus.Error) {
			return method(ctx, l, l.service.queries, m, "u", func(ctx context.Context, _ caller) ([]dict, error) { return l.getHistory(ctx, limit) })
		},
		"ForgetFailure": func(m dbus.Message, version string) *dbus.Error {
			return l.command(ctx, m, "s", func(ctx context.Context, c caller) error { return l.forgetFailure(ctx, c, m, version) })
		},
		"Reload": func(m dbus.Message) *dbus.Error {
			return l.command(ctx, m, "", func(ctx context.Context, c caller) error { return l.reload(ctx, c, m) })
		},
	}
}

// method answers the call m of a method that may take long, of which each user
// has a few at once.
func method[T any](ctx context.Context, l *link, g *gate, m dbus.Message, signature string, handler func(context.Context, caller) (T, error)) (T, *dbus.Error) {
	return settle(ctx, m, signature, func(ctx context.Context) answer[T] {
		ctx, cancel := context.WithTimeout(ctx, callLimit)
		defer cancel()
		who := pass(ctx, l.service.doors, 0, m, func(ctx context.Context) (caller, error) { return identify(ctx, l.bus, sender(m)) })
		if who.err != nil {
			return answer[T]{err: who.err}
		}
		return pass(ctx, g, who.result.uid, m, func(ctx context.Context) (T, error) { return handler(ctx, who.result) })
	})
}

// command answers the call m of a method that needs a right and has no result.
func (l *link) command(ctx context.Context, m dbus.Message, signature string, handler func(context.Context, caller) error) *dbus.Error {
	_, err := method(ctx, l, l.service.calls, m, signature, func(ctx context.Context, c caller) (struct{}, error) {
		return struct{}{}, handler(ctx, c)
	})
	return err
}

// authorise finds out whether c may do what m asks for.
func (l *link) authorise(ctx context.Context, c caller, m dbus.Message, a action) error {
	return l.service.authoriser.authorise(ctx, c, a, isInteractive(m))
}
