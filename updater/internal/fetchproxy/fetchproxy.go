// SPDX-License-Identifier: LGPL-2.1-or-later

// Package fetchproxy is the fetcher: a process without rights that speaks TLS
// and HTTP with the update server, so that the daemon, which is root, need not.
//
// # Who takes part
//
// The daemon connects to a Unix socket that the service manager made and asks
// there by HTTP, with the client of package fetch. The fetcher asks the server
// the same, with the same transport as a daemon without a fetcher has, and hands
// the answer back.
//
// # What passes
//
// Of a request: GET and HEAD, a path of the two kinds below, who asks
// (clipos-machineid and clipos-version, which the daemon says: so the fetcher
// need read nothing of the machine), and Range with If-Range. Anything else is
// refused, not left out.
//
//	/update/NAME/NAME  is asked for below update_url
//	/dist/NAME/NAME    is asked for below dist_url
//
// Of an answer: its status, the headers that the daemon judges, and the body of
// a 200 or 206. Redirects are answers like others. What keeps an answer from
// coming, or ends it in the middle, is told by name (fetch.Tell); a body that
// was cut short is cut short for the daemon too.
//
// # Threat
//
// Whoever sends the server's bytes may take over this process. It then has a
// network, the addresses and root certificate of the server, and a daemon that
// asks it and believes it no more than the server: limits, ranges and sizes are
// judged there again, and signatures decide. The other way round, a daemon that
// somebody took over has no network but these two kinds of path on one server.
// Who is neither root nor this process's own user is not heard at all.
package fetchproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/clipos/updater/updater/internal/fetch"
)

// Proxy answers the daemon's requests with the server's answers.
type Proxy struct {
	client *fetch.Client
	// below is the server's address for the first word of a path.
	below  map[string]string
	report func(error)
}

// New returns a proxy for the server whose addresses are given, without a slash
// at the end. report is told, from any goroutine, why a request had no answer.
func New(updateURL, distURL string, server http.RoundTripper, limits fetch.Limits, report func(error)) *Proxy {
	return &Proxy{
		client: fetch.New(server, nil, limits),
		below:  map[string]string{"update": updateURL, "dist": distURL},
		report: report,
	}
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked, status := parse(r)
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	a := answer{ResponseWriter: w, wantsBody: r.Method == http.MethodGet}
	err := p.client.Relay(r.Context(), r.Method, p.below[asked.root]+asked.path, asked.header, a.begin)
	switch {
	case err == nil:
		return
	case r.Context().Err() != nil, errors.Is(err, errGone):
		panic(http.ErrAbortHandler)
	}
	p.report(err)
	told := fetch.Tell(w.Header(), err)
	switch {
	case !a.begun:
		w.WriteHeader(http.StatusBadGateway)
	case !told:
		panic(http.ErrAbortHandler) // a cut stays a cut
	}
}

// Refuse answers every request with an error that wraps [fetch.ErrConfig].
func Refuse(err error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetch.Tell(w.Header(), err)
		w.WriteHeader(http.StatusBadGateway)
	})
}

// answer is the server's answer on its way to the daemon.
type answer struct {
	http.ResponseWriter
	wantsBody bool
	begun     bool
}

// writeLimit is how long the daemon may take to read what it is sent.
const writeLimit = time.Minute

var errGone = errors.New("the daemon reads no more")

// passing are the headers by which package fetch judges an answer. Date tells
// how strong a Last-Modified is; Content-Encoding passes to be refused.
var passing = []string{
	"Accept-Ranges", "Content-Encoding", "Content-Range", "Date", "Etag", "Last-Modified",
}

// begin passes the header on, and returns where the body goes.
func (a *answer) begin(resp *http.Response) (io.Writer, error) {
	if resp.StatusCode < http.StatusOK { // net/http could not repeat it
		return nil, &fetch.StatusError{URL: resp.Request.URL.String(), Code: resp.StatusCode}
	}
	h := a.Header()
	for _, name := range passing {
		h[name] = resp.Header[name]
	}
	h["Content-Type"] = nil // or net/http would guess one
	fetch.TellLength(h, resp.ContentLength)
	hasBody := a.wantsBody && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent)
	if hasBody {
		fetch.AnnounceTrailer(h)
	}
	a.begun = true
	a.WriteHeader(resp.StatusCode)
	if !hasBody {
		return nil, nil
	}
	return a, a.flush()
}

// Write passes bytes on at once: the daemon judges how fast they come.
func (a *answer) Write(b []byte) (int, error) {
	c := http.NewResponseController(a.ResponseWriter)
	if err := c.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return 0, err
	}
	if n, err := a.ResponseWriter.Write(b); err != nil {
		return n, errGone
	}
	return len(b), a.flush()
}

func (a *answer) flush() error {
	if http.NewResponseController(a.ResponseWriter).Flush() != nil {
		return errGone
	}
	return nil
}

// Serve answers requests on a socket with h until ctx ends, or until nobody was
// connected for a while: who made the socket starts us again for the next.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	return newServer(h, idleLimit).serve(ctx, l)
}
