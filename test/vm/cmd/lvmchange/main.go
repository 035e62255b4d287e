// SPDX-License-Identifier: LGPL-2.1-or-later

// Lvmchange makes a volume of 4 MiB with package lvm and renames it, as an
// update does, so that a test can record what that writes.
//
//	lvmchange GROUP NAME NEWNAME
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/clipos/updater/lvm"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: lvmchange GROUP NAME NEWNAME")
		os.Exit(2)
	}
	group := lvm.NewGroup(os.Args[1], 4<<20, "/")
	err := group.Create(context.Background(), os.Args[2])
	if err == nil {
		err = group.Rename(context.Background(), os.Args[2], os.Args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
