// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// ErrNoSystemd: no systemd is on the bus.
var ErrNoSystemd = errors.New("no systemd on the bus")

// SystemState returns what systemd says of the whole system, such as
// "starting" or "running" (SystemState, org.freedesktop.systemd1(5)). It asks
// on a connection of its own, which has no name and takes no calls.
func SystemState(ctx context.Context, address string) (string, error) {
	bus, err := dial(ctx, address, newNameWatch())
	if err != nil {
		return "", err
	}
	defer bus.close()
	if err := bus.handshake(ctx); err != nil {
		return "", err
	}
	// NoAutoStart: a bus whose systemd is not there must not look for one.
	call := bus.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").CallWithContext(ctx,
		propertiesInterface+".Get", dbus.FlagNoAutoStart, "org.freedesktop.systemd1.Manager", "SystemState")
	var state string
	err = call.Store(&state)
	var answer dbus.Error
	if errors.As(err, &answer) && (answer.Name == standardErrorPrefix+"ServiceUnknown" || answer.Name == standardErrorPrefix+"NameHasNoOwner") {
		return "", ErrNoSystemd
	}
	if err != nil {
		return "", fmt.Errorf("state of the system: %w", err)
	}
	return state, nil
}
