// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	// interactive: see AllowInteraction.
	interactive bool
}

// Dial connects to the bus at address, "unix:path=…" or [SystemBus]. It does
// not need the service to run, nor start it; calls do, where the bus can.
func Dial(ctx context.Context, address string) (*Client, error) {
	bus, err := connect(ctx, address)
	if err != nil {
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
	if err := c.callInterface(ctx, propertiesInterface, "GetAll", []any{Interface}, &d); err != nil {
		return Overview{}, err
	}
	var o Overview
	apply(&o, d)
	return o, nil
}

// callInterface calls a method of the service's object and stores its results.
func (c *Client) callInterface(ctx context.Context, iface, method string, args []any, results ...any) error {
	flags, limit := c.manner(iface, method)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	call := c.send(bounded, iface, method, flags, args)
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
			Message: "the service does not answer",
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
