// SPDX-License-Identifier: LGPL-2.1-or-later

package fetchproxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/clipos/updater/updater/internal/fetch"
)

// One daemon asks one thing at a time.
const (
	maxConnections = 8
	maxHeaderBytes = 4 << 10
	readLimit      = 5 * time.Second
	// idleLimit is longer than any wait between two attempts of an update, and
	// short, because the configuration is read at the start.
	idleLimit = 30 * time.Second
)

// server serves one socket until nobody uses it.
type server struct {
	http      *http.Server
	slots     chan struct{}
	idleLimit time.Duration

	mu   sync.Mutex
	open int
	idle *time.Timer
}

func newServer(h http.Handler, idleLimit time.Duration) *server {
	s := &server{slots: make(chan struct{}, maxConnections), idleLimit: idleLimit}
	s.http = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readLimit,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         s.count,
	}
	// As between the daemon and the server: a connection is a request.
	s.http.SetKeepAlivesEnabled(false)
	return s
}

func (s *server) serve(ctx context.Context, l net.Listener) error {
	// Shutdown takes no more connections, lets those that are there end, and
	// leaves those that wait to whoever serves the socket next.
	idled := make(chan struct{})
	s.mu.Lock()
	s.idle = time.AfterFunc(s.idleLimit, sync.OnceFunc(func() {
		defer close(idled)
		s.http.Shutdown(ctx) //nolint:errcheck // ctx's end, which Close follows
	}))
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { s.http.Close() }) //nolint:errcheck // nobody is left to tell
	defer stop()
	err := s.http.Serve(&guarded{l, s.slots})
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if ctx.Err() == nil {
		<-idled
	}
	return nil
}

// count starts the time without connections when the last one has ended.
func (s *server) count(_ net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.open++
		s.idle.Stop()
	case http.StateClosed:
		<-s.slots
		if s.open--; s.open == 0 {
			s.idle.Reset(s.idleLimit)
		}
	}
}

// guarded accepts connections of root, so many at a time. Others are closed.
type guarded struct {
	net.Listener
	slots chan struct{}
}

// Accept implements net.Listener.
func (g *guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if fetch.CheckPeer(c) == nil && g.take() {
			return c, nil
		}
		c.Close() //nolint:errcheck // nothing was said
	}
}

func (g *guarded) take() bool {
	select {
	case g.slots <- struct{}{}:
		return true
	default:
		return false
	}
}
