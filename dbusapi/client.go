// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clipos/updater/updater"
	"github.com/godbus/dbus/v5"
)

// replyLimit bounds a call whose context has no deadline of its own. The
// service answers everything within 20 seconds; starting it may take a few.
const replyLimit = 25 * time.Second

// Client talks to a Service over the bus. Its methods return a [*RemoteError]
// for what the service or the bus answered. It may be used by several
// goroutines.
type Client struct {
	bus *connection
}

// Dial connects to the bus at address, "unix:path=…" or [SystemBus]. It does
// not need the service to run, nor start it; calls do, where the bus can.
func Dial(ctx context.Context, address string) (*Client, error) {
	bus, err := dial(ctx, address, dbus.NewSequentialSignalHandler())
	if err != nil {
		return nil, err
	}
	if err := bus.handshake(ctx); err != nil {
		bus.close()
		return nil, err
	}
	return &Client{bus: bus}, nil
}

// Close ends the connection; the channels of Watch are closed.
func (c *Client) Close() {
	c.bus.close()
}

// Overview reads all properties.
func (c *Client) Overview(ctx context.Context) (Overview, error) {
	var d dict
	if err := c.call(ctx, propertiesInterface+".GetAll", []any{Interface}, &d); err != nil {
		return Overview{}, err
	}
	var o Overview
	apply(&o, d)
	return o, nil
}

// Check has the server asked now.
func (c *Client) Check(ctx context.Context) (updater.Check, error) {
	var d dict
	if err := c.call(ctx, Interface+".Check", []any{dict{}}, &d); err != nil {
		return updater.Check{}, err
	}
	return decodeCheck(d), nil
}

// Update begins installing version ("" is the newest) or joins the job that
// already does. The outcome comes as a signal, see Watch.
func (c *Client) Update(ctx context.Context, version string) (transaction string, err error) {
	err = c.call(ctx, Interface+".Update", []any{version, dict{}}, &transaction)
	return transaction, err
}

// Cancel ends a job; "" is the running one.
func (c *Client) Cancel(ctx context.Context, transaction string) error {
	return c.call(ctx, Interface+".Cancel", []any{transaction})
}

// ListVersions tells which versions are installed.
func (c *Client) ListVersions(ctx context.Context) ([]updater.Installed, error) {
	var list []dict
	if err := c.call(ctx, Interface+".ListVersions", nil, &list); err != nil {
		return nil, err
	}
	installed := make([]updater.Installed, len(list))
	for i, d := range list {
		installed[i] = decodeInstalled(d)
	}
	return installed, nil
}

// call calls a method of the service and stores its results.
func (c *Client) call(ctx context.Context, method string, args []any, results ...any) error {
	bounded, cancel := context.WithTimeout(ctx, replyLimit)
	defer cancel()
	call := c.bus.Object(BusName, Path).CallWithContext(bounded, method, 0, args...)
	if call.Err != nil {
		return clientError(ctx, call.Err)
	}
	return call.Store(results...)
}

// clientError is what the error of a call means to somebody who gave it ctx.
func clientError(ctx context.Context, err error) error {
	var remote dbus.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &remote):
		return &RemoteError{Name: remote.Name, Message: firstText(remote.Body)}
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return &RemoteError{
			Name:    standardErrorPrefix + "NoReply",
			Message: fmt.Sprintf("no answer within %v", replyLimit),
		}
	}
	return fmt.Errorf("%w: %w", ErrNoBus, err)
}

// firstText is the message of an error, by convention the first argument.
func firstText(body []any) string {
	if len(body) == 0 {
		return ""
	}
	message, _ := body[0].(string)
	return message
}

// apply puts the properties in d into o.
func apply(o *Overview, d dict) {
	for _, p := range properties {
		if v, ok := d[p.name]; ok {
			p.set(o, v.Value())
		}
	}
}
