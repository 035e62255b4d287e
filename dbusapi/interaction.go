// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"
)

// interactionLimit bounds a call before whose answer somebody may have to be
// found and to type a password.
const interactionLimit = 2 * time.Minute

// AllowInteraction lets the service have the user asked, for a password
// perhaps, before it refuses a call. A call that needs a right may then take
// up to two minutes. It comes before the client's first call.
func (c *Client) AllowInteraction() {
	c.interactive = true
}

// manner is how a method is called: with which flags, and for how long.
func (c *Client) manner(iface, method string) (dbus.Flags, time.Duration) {
	if !c.interactive || isForEverybody(iface, method) {
		return 0, replyLimit
	}
	return dbus.FlagAllowInteractiveAuthorization, interactionLimit
}

// isForEverybody tells that nobody needs a right for a method.
func isForEverybody(iface, method string) bool {
	return iface != Interface || slices.Contains([]string{"Plan", "ListVersions", "GetHistory"}, method)
}

// send calls a method of the service's object. The library's own call drops
// the flag that allows interaction.
func (c *Client) send(ctx context.Context, iface, method string, flags dbus.Flags, args []any) *dbus.Call {
	m := &dbus.Message{
		Type:  dbus.TypeMethodCall,
		Flags: flags,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(BusName),
			dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(Path)),
			dbus.FieldInterface:   dbus.MakeVariant(iface),
			dbus.FieldMember:      dbus.MakeVariant(method),
		},
		Body: args,
	}
	if len(args) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(args...))
	}
	return <-c.bus.SendWithContext(ctx, m, make(chan *dbus.Call, 1)).Done
}
