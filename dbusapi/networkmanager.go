// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"fmt"
)

// Metered tells whether bytes are expensive here, as far as NetworkManager knows
// or guesses (property Metered, NMMetered in its D-Bus API). Without
// NetworkManager they are not.
func Metered(ctx context.Context, address string) (bool, error) {
	value, err := readProperty(ctx, address, "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager",
		"org.freedesktop.NetworkManager", "Metered")
	if isAbsent(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("metered connection: %w", err)
	}
	switch value {
	case uint32(1), uint32(3): // yes, guessed yes
		return true, nil
	case uint32(0), uint32(2), uint32(4): // unknown, no, guessed no
		return false, nil
	}
	return false, fmt.Errorf("metered connection: NetworkManager says %.64q", fmt.Sprint(value))
}
