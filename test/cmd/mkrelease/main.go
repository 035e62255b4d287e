// SPDX-License-Identifier: LGPL-2.1-or-later

// Mkrelease builds, signs and lays out a release for trying out; package
// release says how. Its output is the command line of the new efiboot.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/test/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var o release.Options
	webroot := flag.String("webroot", "test/webroot", "`folder` to lay the release out in")
	key := flag.String("key", "", "secret minisign key `file` without a password; empty: the published test key")
	erofs := flag.Bool("erofs", false, "make the core image an EROFS instead of a squashfs")
	systemd := flag.Bool("systemd", false, "write the kernel command line as systemd has it")
	flag.StringVar(&o.Product, "product", "clipos", "`name` of the product")
	flag.StringVar(&o.Version, "version", "", "`version` of the release")
	flag.StringVar(&o.Group, "group", "mainvg", "volume group `name` on the kernel command line")
	flag.Int64Var(&o.SizeBytes, "size", 256<<10, "`bytes` of generated content")
	flag.Int64Var(&o.SharedBytes, "shared", 0, "`bytes` of generated content that all versions share, half of it compressible")
	flag.StringVar(&o.Salt, "salt", "", "salt of the dm-verity tree in `hex`; empty: a random one")
	flag.BoolVar(&o.NoErrorCorrection, "no-fec", false, "append no error correction to the core image")
	flag.BoolVar(&o.Legacy, "legacy", false, "sign the files instead of their hashes")
	flag.StringVar(&o.Kernel, "kernel", "", "`file` for the section .linux")
	flag.StringVar(&o.Initrd, "initrd", "", "`file` for the section .initrd")
	flag.Func("from", "`folder` to put into the core image instead of generated content; may be given several times", func(value string) error {
		o.From = append(o.From, value)
		return nil
	})
	flag.Parse()
	if flag.NArg() != 0 {
		return fmt.Errorf("what is %q?", strings.Join(flag.Args(), " "))
	}
	if *erofs {
		o.FileSystem = release.EROFS
	}
	if *systemd {
		o.Style = release.StyleSystemd
	}
	if *key != "" {
		secret, err := os.ReadFile(*key)
		if err != nil {
			return err
		}
		o.Key = release.Key{Secret: string(secret)}
	}
	r, err := release.Build(ctx, *webroot, o)
	if err != nil {
		return err
	}
	fmt.Println(r.CommandLine)
	return nil
}
