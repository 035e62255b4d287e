// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
)

// ErrNoSystemd: no systemd is on the bus.
var ErrNoSystemd = errors.New("no systemd on the bus")

// SystemState returns what systemd says of the whole system, such as
// "starting" or "running" (SystemState, org.freedesktop.systemd1(5)).
func SystemState(ctx context.Context, address string) (string, error) {
	value, err := readProperty(ctx, address, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
		"org.freedesktop.systemd1.Manager", "SystemState")
	if isAbsent(err) {
		return "", ErrNoSystemd
	}
	if err != nil {
		return "", fmt.Errorf("state of the system: %w", err)
	}
	state, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("state of the system: systemd says %.64q", fmt.Sprint(value))
	}
	return state, nil
}
