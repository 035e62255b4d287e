// SPDX-License-Identifier: LGPL-2.1-or-later

// Mkcerts writes a root certificate, a server certificate for this machine and
// its key to a folder, for a test server that is not ours.
package main

import (
	"fmt"
	"os"

	"github.com/clipos/updater/test/tlsserver"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mkcerts DIR")
		os.Exit(2)
	}
	if err := tlsserver.WriteFiles(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
