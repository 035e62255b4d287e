// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"

	"github.com/clipos/updater/updater/internal/fetch"
	"github.com/clipos/updater/updater/internal/fetchproxy"
)

// loadFetcher takes the fetcher's socket for the server. remote.toml and
// rootca.pem are the fetcher's to read. Who may write them is looked at here all
// the same, where they are: the copies that the service manager hands to the
// fetcher do not show it.
func (c *Config) loadFetcher(p Paths) error {
	c.Remote = Remote{UpdateURL: fetch.FetcherURL + "/update", DistURL: fetch.FetcherURL + "/dist"}
	for _, path := range []string{p.Remote, filepath.Join(p.Remote, remoteFile), filepath.Join(p.Remote, rootsFile)} {
		if err := checkAccess(path, notByOthers); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// ServeFetcher speaks with the server on behalf of the daemons that connect to
// a socket, until ctx ends or nobody has been connected for half a minute.
// remote is the folder with remote.toml and rootca.pem, which are read once.
//
// report is told, from any goroutine, what kept a request from its answer. A
// configuration that cannot be used is that for every request, so that those
// who ask learn it: ErrConfigInvalid, for them too.
func ServeFetcher(ctx context.Context, l net.Listener, remote string, report func(error)) error {
	return fetchproxy.Serve(ctx, l, newFetcher(remote, report))
}

func newFetcher(remote string, report func(error)) http.Handler {
	c, p := &Config{}, Paths{Remote: remote}
	if err := means(ErrConfigInvalid, c.loadServer(p)); err != nil {
		report(err)
		return fetchproxy.Refuse(err)
	}
	limits := fetch.DefaultLimits()
	return fetchproxy.New(c.UpdateURL, c.DistURL, fetch.NewTransport(c.roots, limits), limits, report)
}
