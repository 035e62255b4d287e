// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"log" //nolint:depguard // net/http takes nothing else for its messages
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipos/updater/updater/internal/fetch"
)

// server is a real TLS server with faults, which remembers what it was asked.
type server struct {
	*httptest.Server
	authority *authority

	mu       sync.Mutex
	requests []*http.Request
	open     map[net.Conn]bool
}

// serve starts a server with a good certificate.
func serve(tb testing.TB, handler http.HandlerFunc) *server {
	tb.Helper()
	ca := newAuthority(tb, "good")
	certificate := ca.issue(tb, "127.0.0.1", time.Now().Add(time.Hour))
	s := serveTLS(tb, &tls.Config{Certificates: []tls.Certificate{certificate}}, handler)
	s.authority = ca
	return s
}

func serveTLS(tb testing.TB, config *tls.Config, handler http.HandlerFunc) *server {
	tb.Helper()
	s := &server{open: make(map[net.Conn]bool)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Clone(r.Context()))
		s.mu.Unlock()
		handler(w, r)
	}))
	s.TLS = config
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = s.count
	s.StartTLS()
	tb.Cleanup(s.Close)
	return s
}

// count keeps the set of open connections. A hijacked one belongs to its handler.
func (s *server) count(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(s.open, c)
	} else {
		s.open[c] = true
	}
}

func (s *server) asked() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...)
}

func (s *server) openConnections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// identity is what the client sends to its server and to nobody else.
var identity = http.Header{"Clipos-Machineid": {strings.Repeat("5f", 16)}, "Clipos-Version": {"5.0.0"}}

func (s *server) client(l fetch.Limits) *fetch.Client {
	return fetch.New(fetch.NewTransport(s.authority.pool(), l), identity, l)
}

// quick is DefaultLimits for tests: what must be waited for is short, what must
// not happen is far away.
func quick() fetch.Limits {
	return fetch.Limits{
		Attempts:       5,
		ConnectTimeout: 10 * time.Second,
		HeaderTimeout:  10 * time.Second,
		StallBytes:     1 << 10,
		StallWindow:    10 * time.Second,
		StallTotal:     20 * time.Second,
		BackoffBase:    time.Millisecond,
	}
}

// image is n bytes that differ everywhere, and by seed.
func image(n int, seed byte) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

// modified is when the files of the test servers were last changed.
var modified = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// archive serves data as a web server does, with ranges and validators.
func archive(w http.ResponseWriter, r *http.Request, etag string, data []byte) {
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", modified, bytes.NewReader(data))
}

// cutter is a connection that breaks after some bytes of body.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// raw answers with bytes of the test's own instead of net/http's.
func raw(w http.ResponseWriter, answer func(net.Conn)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // a server of HTTP/1.1 always can
	}
	defer conn.Close()
	answer(conn)
}

// leavesNothing runs call and fails the test when more goroutines run afterwards
// than before or the server still holds a connection.
func (s *server) leavesNothing(t *testing.T, call func()) {
	t.Helper()
	before := runtime.NumGoroutine()
	call()
	settle(t, "open connections", s.openConnections)
	settle(t, "goroutines", func() int { return runtime.NumGoroutine() - before })
}

// settle waits until surplus is zero: what was told to end may take a moment.
func settle(t *testing.T, what string, surplus func() int) {
	t.Helper()
	for range 2000 {
		if surplus() <= 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 64<<10)
	t.Errorf("%d %s too many\n%s", surplus(), what, stacks[:runtime.Stack(stacks, true)])
}
