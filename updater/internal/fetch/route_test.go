// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/clipos/updater/updater/internal/fetch"
	"github.com/clipos/updater/updater/internal/fetchproxy"
)

// route is how a client gets to a server: it returns one that uses transport in
// the end, and the address under which it has the server's file "core".
type route func(t *testing.T, transport http.RoundTripper, serverURL string, l fetch.Limits) (c *fetch.Client, url string)

// byRoute runs a test with each: what is true of one process is true of two.
func byRoute(t *testing.T, test func(t *testing.T, r route)) {
	t.Helper()
	for name, r := range map[string]route{"one process": direct, "with a fetcher": withFetcher} {
		t.Run(name, func(t *testing.T) { test(t, r) })
	}
}

func direct(_ *testing.T, transport http.RoundTripper, serverURL string, l fetch.Limits) (c *fetch.Client, url string) {
	return fetch.New(transport, identity, l), serverURL + "/5.0.1/core"
}

func withFetcher(t *testing.T, transport http.RoundTripper, serverURL string, l fetch.Limits) (c *fetch.Client, url string) {
	t.Helper()
	root := t.TempDir()
	path := filepath.Join(root, "fetch.sock")
	socket, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- fetchproxy.Serve(ctx, socket, fetchproxy.New(serverURL, serverURL, transport, l, func(error) {}))
	}()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("fetcher: %v", err)
		}
	})
	return fetch.New(fetch.NewSocketTransport(path, root, l), identity, l), fetch.FetcherURL + "/dist/5.0.1/core"
}
