// SPDX-License-Identifier: LGPL-2.1-or-later

package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A scrape is one short question and one short answer.
const (
	maxConnections = 16
	maxHeaderBytes = 8 << 10
	readLimit      = 5 * time.Second
	writeLimit     = 10 * time.Second
)

// ErrNotLocal means that other machines may reach a socket.
var ErrNotLocal = errors.New("not a local address")

// CheckLocal returns ErrNotLocal unless l can be reached from this machine
// alone: it is a Unix socket, or bound to a loopback address.
func CheckLocal(l net.Listener) error {
	switch a := l.Addr().(type) {
	case *net.UnixAddr:
		return nil
	case *net.TCPAddr:
		if a.IP.IsLoopback() {
			return nil
		}
	}
	return fmt.Errorf("%s: %w: a Unix socket or a loopback address is needed", l.Addr(), ErrNotLocal)
}

// Serve answers on the listeners until ctx ends, and closes them. Whatever goes
// wrong is logged: nothing here is a reason to keep no system up to date.
func (m *Metrics) Serve(ctx context.Context, log *slog.Logger, listeners ...net.Listener) {
	server := m.newServer(log)
	slots := make(chan struct{}, maxConnections)
	server.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			<-slots
		}
	}
	stop := context.AfterFunc(ctx, func() { server.Close() }) //nolint:errcheck // nobody is left to tell
	defer stop()
	var all sync.WaitGroup
	for _, l := range listeners {
		all.Go(func() {
			if err := server.Serve(bounded{l, slots}); !errors.Is(err, http.ErrServerClosed) {
				log.Error("no more metrics", "address", l.Addr().String(), "error", err)
			}
		})
	}
	all.Wait()
}

func (m *Metrics) newServer(log *slog.Logger) *http.Server {
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	mux := http.NewServeMux()
	// A pattern with GET is one for HEAD too, and answers 405 to any other.
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: errorLog,
		// One metric that cannot be shown is no reason to show none.
		ErrorHandling: promhttp.ContinueOnError,
		// Nothing is gained on a local socket.
		DisableCompression: true,
	}))
	mux.HandleFunc("GET /healthz", m.serveHealth)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: readLimit,
		ReadTimeout:       readLimit,
		WriteTimeout:      writeLimit,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          errorLog,
	}
	// A connection that waits for the next scrape would take a place.
	server.SetKeepAlivesEnabled(false)
	return server
}

// bounded accepts as many connections at a time as there are slots. One too
// many is closed at once: who waits in a queue learns less.
type bounded struct {
	net.Listener
	slots chan struct{}
}

// Accept implements net.Listener.
func (b bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.slots <- struct{}{}:
			return c, nil
		default:
			c.Close() //nolint:errcheck // nothing was said yet
		}
	}
}
