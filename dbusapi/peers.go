// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"

	"github.com/godbus/dbus/v5"
)

// readProperty asks another service for one of its properties, and does not
// start it: a service that is not there must not be looked for. It asks on a
// connection of its own, which has no name and takes no calls.
func readProperty(ctx context.Context, address, service string, path dbus.ObjectPath, iface, name string) (any, error) {
	bus, err := dial(ctx, address, newNameWatch())
	if err != nil {
		return nil, err
	}
	defer bus.close()
	if err := bus.handshake(ctx); err != nil {
		return nil, err
	}
	var value dbus.Variant
	err = bus.Object(service, path).
		CallWithContext(ctx, propertiesInterface+".Get", dbus.FlagNoAutoStart, iface, name).Store(&value)
	return value.Value(), err
}

// isAbsent tells that a call failed because the service called is not there.
func isAbsent(err error) bool {
	var answer dbus.Error
	return errors.As(err, &answer) &&
		(answer.Name == standardErrorPrefix+"ServiceUnknown" || answer.Name == standardErrorPrefix+"NameHasNoOwner")
}
