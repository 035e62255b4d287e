// SPDX-License-Identifier: LGPL-2.1-or-later

// Wrongorder installs a release in the wrong order, with the product's own
// parts: the boot entry first, then the volume it leads to. Each step is
// flushed. It exists so that a test can show that it would notice.
//
//	wrongorder -from core_OLD -version NEW -core FILE -efiboot FILE
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/lvm"
)

func main() {
	from := flag.String("from", "", "the `volume` that is overwritten")
	version := flag.String("version", "", "the release's version")
	core := flag.String("core", "", "the core image")
	efiboot := flag.String("efiboot", "", "the EFI binary")
	flag.Parse()
	err := publish(*version, *efiboot)
	if err == nil {
		err = overwrite(*from, "core_"+*version, *core)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func publish(version, image string) error {
	content, err := os.ReadFile(image)
	if err != nil {
		return err
	}
	esp := efi.New("/mnt/efiboot/EFI/Linux", "clipos", efi.Options{RealESP: true})
	file := "clipos-" + version + ".efi"
	written, err := esp.Stage(context.Background(), file, bytes.NewReader(content))
	if err != nil {
		return err
	}
	return errors.Join(written.Close(), esp.Publish(file))
}

func overwrite(from, to, image string) error {
	content, err := os.ReadFile(image)
	if err != nil {
		return err
	}
	ctx, group := context.Background(), lvm.NewGroup("mainvg", 1, "/")
	if err := group.Rename(ctx, from, to); err != nil {
		return err
	}
	volume, err := group.Open(ctx, to)
	if err != nil {
		return err
	}
	_, err = volume.WriteAt(content, 0)
	return errors.Join(err, volume.Flush(), volume.Close())
}
