// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"time"

	"github.com/clipos/updater/updater"
)

// The methods of the service as a client calls them.

// Check has the server asked now.
func (c *Client) Check(ctx context.Context) (updater.Check, error) {
	var d dict
	if err := c.call(ctx, "Check", []any{dict{}}, &d); err != nil {
		return updater.Check{}, err
	}
	return decodeCheck(d), nil
}

// Update begins installing version ("" is the newest) or joins the job that
// already does. The outcome comes as a signal, see Watch.
func (c *Client) Update(ctx context.Context, version string) (transaction string, err error) {
	err = c.call(ctx, "Update", []any{version, dict{}}, &transaction)
	return transaction, err
}

// Cancel ends a job; "" is the running one.
func (c *Client) Cancel(ctx context.Context, transaction string) error {
	return c.call(ctx, "Cancel", []any{transaction})
}

// Plan tells what Update would do.
func (c *Client) Plan(ctx context.Context, version string) (updater.Plan, error) {
	var d dict
	if err := c.call(ctx, "Plan", []any{version}, &d); err != nil {
		return updater.Plan{}, err
	}
	return decodePlan(d), nil
}

// ListVersions tells which versions are installed.
func (c *Client) ListVersions(ctx context.Context) ([]updater.Installed, error) {
	return list(ctx, c, "ListVersions", nil, decodeInstalled)
}

// Rollback makes an installed version ("" is the fallback) the one that boots
// next, and returns it.
func (c *Client) Rollback(ctx context.Context, version string) (chosen string, err error) {
	err = c.call(ctx, "Rollback", []any{version, dict{}}, &chosen)
	return chosen, err
}

// MarkBoot tells that the running version is "good" or "bad", and why.
func (c *Client) MarkBoot(ctx context.Context, result, reason string) error {
	return c.call(ctx, "MarkBoot", []any{result, reason})
}

// Hold keeps the service from installing by itself until then; the zero time
// stands for until Unhold.
func (c *Client) Hold(ctx context.Context, reason string, until time.Time) error {
	return c.call(ctx, "Hold", []any{reason, micros(until)})
}

// Unhold ends a hold.
func (c *Client) Unhold(ctx context.Context) error {
	return c.call(ctx, "Unhold", nil)
}

// History tells how the last transactions ended, the newest first; limit 0 is
// all that are remembered.
func (c *Client) History(ctx context.Context, limit uint32) ([]updater.HistoryEntry, error) {
	return list(ctx, c, "GetHistory", []any{limit}, decodeHistoryEntry)
}

// ForgetFailure allows a version that did not come up before.
func (c *Client) ForgetFailure(ctx context.Context, version string) error {
	return c.call(ctx, "ForgetFailure", []any{version})
}

// Reload has the service read its configuration again.
func (c *Client) Reload(ctx context.Context) error {
	return c.call(ctx, "Reload", nil)
}

// call calls a method of the service and stores its results.
func (c *Client) call(ctx context.Context, method string, args []any, results ...any) error {
	return c.callInterface(ctx, Interface, method, args, results...)
}

// list calls a method that answers with a list of dictionaries.
func list[T any](ctx context.Context, c *Client, method string, args []any, decode func(dict) T) ([]T, error) {
	var answer []dict
	if err := c.call(ctx, method, args, &answer); err != nil {
		return nil, err
	}
	decoded := make([]T, len(answer))
	for i, d := range answer {
		decoded[i] = decode(d)
	}
	return decoded, nil
}
