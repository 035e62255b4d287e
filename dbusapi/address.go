// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/godbus/dbus/v5"
)

// SystemBus is the address that stands for the system bus of this machine.
const SystemBus = "system"

// SystemAddress is the address of the system bus of the system whose root
// folder is root. It is a fixed path: the environment variable
// DBUS_SYSTEM_BUS_ADDRESS has no say in where a root daemon listens.
func SystemAddress(root string) string {
	// The path the D-Bus Specification names (var/run there), as systemd has it.
	return "unix:path=" + dbus.EscapeBusAddressValue(filepath.Join(root, "/run/dbus/system_bus_socket"))
}

// ErrAddress: what was given as the address of a bus is none that can be used.
var ErrAddress = errors.New("no unix:path= in it")

// socketPath is the unix socket that address names, with a leading @ when it is
// an abstract one. Addresses are those of the D-Bus Specification, section
// "Server Addresses"; of a list, the first with a unix socket is taken.
func socketPath(address string) (string, error) {
	if address == SystemBus {
		address = SystemAddress("/")
	}
	for entry := range strings.SplitSeq(address, ";") {
		keys, ok := strings.CutPrefix(entry, "unix:")
		if !ok {
			continue
		}
		for pair := range strings.SplitSeq(keys, ",") {
			key, escaped, _ := strings.Cut(pair, "=")
			value, err := url.PathUnescape(escaped)
			switch {
			case err != nil || value == "":
			case key == "path":
				return value, nil
			case key == "abstract":
				return "@" + value, nil
			}
		}
	}
	return "", fmt.Errorf("bus address %q: %w", address, ErrAddress)
}
