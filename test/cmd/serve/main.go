// SPDX-License-Identifier: LGPL-2.1-or-later

// Serve is the update server for trying out: the static files of a web root,
// over TLS, with a certificate made at its start. Its first line of output is
// its address. It ends on SIGTERM or SIGINT and, when asked to, by itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/test/tlsserver"
)

type options struct {
	listen, webroot, authorityFile string
	exitWithParent                 bool
	limit                          time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8000", "`address` to listen on; port 0 takes a free one")
	flag.StringVar(&o.webroot, "webroot", "test/webroot", "`folder` to serve")
	flag.StringVar(&o.authorityFile, "ca-out", "", "`file` to write the root certificate to")
	flag.BoolVar(&o.exitWithParent, "exit-with-parent", false, "end when the program that started this one ends")
	flag.DurationVar(&o.limit, "for", 0, "end after this `time`; 0: never")
	flag.Parse()
	if err := serve(o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func serve(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	if o.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.limit)
		defer cancel()
	}
	if o.exitWithParent {
		if err := followParent(); err != nil {
			return err
		}
	}
	if info, err := os.Stat(o.webroot); err != nil || !info.IsDir() {
		return fmt.Errorf("web root %s: not a folder", o.webroot)
	}
	server, err := tlsserver.Start(ctx, tlsserver.Options{
		Handler: tlsserver.Files(o.webroot),
		Listen:  o.listen,
		Log:     os.Stderr,
	})
	if err != nil {
		return err
	}
	if o.authorityFile != "" {
		if err := os.WriteFile(o.authorityFile, server.AuthorityPEM, 0o644); err != nil {
			return err
		}
	}
	fmt.Println(server.URL)
	<-ctx.Done()
	return server.Close()
}

// followParent lets the kernel send SIGTERM when the parent ends, so that a
// killed script leaves no server behind; PR_SET_PDEATHSIG(2const). The setting
// belongs to the thread, which therefore must not end.
func followParent() error {
	runtime.LockOSThread()
	parent := unix.Getppid()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0); err != nil {
		return fmt.Errorf("follow the parent: %w", err)
	}
	if unix.Getppid() != parent {
		return fmt.Errorf("follow the parent: it has ended already")
	}
	return nil
}
