// SPDX-License-Identifier: LGPL-2.1-or-later

// Package stamp tells which version of our programs this is.
package stamp

import "runtime/debug"

// Version is what --version prints: linked, which the linker was told, or else
// what Go knows of the module.
func Version(linked string) string {
	if linked != "" {
		return linked
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
