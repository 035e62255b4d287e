// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"path/filepath"

	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/cmd/updater-release/internal/nginx"
)

const defaultAccessLog = "/var/log/nginx/updater.log"

func nginxVerb(flags *flag.FlagSet) action {
	server := nginx.Server{}
	flags.Func("listen", "", func(s string) error { server.Listen = append(server.Listen, s); return nil })
	flags.Func("server-name", "", func(s string) error { server.Names = append(server.Names, s); return nil })
	flags.StringVar(&server.Certificate, "certificate", "", "")
	flags.StringVar(&server.Key, "certificate-key", "", "")
	flags.StringVar(&server.AccessLog, "access-log", defaultAccessLog, "")
	return func(_ context.Context, s *session) error { return writeNginx(s, server) }
}

// writeNginx prints all of the configuration or nothing.
func writeNginx(s *session, server nginx.Server) error {
	if server.Certificate == "" || server.Key == "" {
		return errors.New("clients speak TLS only: --certificate and --certificate-key must name its files on the server")
	}
	f, err := channels.Load(s.channels)
	if err != nil {
		return err
	}
	if s.product != "" && s.product != f.Product {
		return errors.New(s.channels + " is of another product: " + f.Product)
	}
	if len(server.Listen) == 0 {
		server.Listen = []string{"443", "[::]:443"}
	}
	if server.WebRoot, err = filepath.Abs(s.webroot); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := nginx.Write(&text, f, server); err != nil {
		return err
	}
	_, err = s.out.Write(text.Bytes())
	return err
}
