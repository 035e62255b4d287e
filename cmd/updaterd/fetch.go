// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/clipos/updater/updater"
)

// fetchCommand makes updaterd the fetcher.
const fetchCommand = "fetch"

// fetch speaks with the server for the daemons that connect to the socket of
// updater-fetch.socket.
func fetch(ctx context.Context, o options, log *slog.Logger) error {
	l, err := fetchListener()
	if err != nil {
		return err
	}
	log.Debug("fetcher begins", "socket", l.Addr().String())
	return updater.ServeFetcher(ctx, l, o.paths.Remote, func(err error) {
		log.Warn("cannot fetch", "error", err)
	})
}

var errNoSocket = errors.New("no socket: updater-fetch.socket starts updater-fetch.service with it")

// fetchListener takes the one socket that the service manager passes on.
func fetchListener() (net.Listener, error) {
	files := activation.Files(true)
	for _, f := range files {
		defer f.Close() // the listener has a copy
	}
	if len(files) == 0 {
		return nil, errNoSocket
	}
	if len(files) > 1 {
		return nil, fmt.Errorf("%d sockets where there must be one", len(files))
	}
	l, err := net.FileListener(files[0])
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", files[0].Name(), err)
	}
	if _, ok := l.(*net.UnixListener); !ok {
		l.Close() //nolint:errcheck // never used
		return nil, fmt.Errorf("socket %s: not a Unix socket", l.Addr())
	}
	return l, nil
}
