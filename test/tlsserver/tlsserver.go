// SPDX-License-Identifier: LGPL-2.1-or-later

// Package tlsserver is the update server of our tests: a real TLS server on
// the loopback interface, with certificates made on the spot and a record of
// what it was asked.
//
// An [Authority] issues the certificates, good ones and, for the attacks,
// expired ones or ones for another host. [Start] serves any handler; [Files]
// is the one that a release's web root needs. What a test asserts about the
// client's requests it finds in [Server.Requests].
package tlsserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Options of a server; only Handler is needed.
type Options struct {
	Handler http.Handler
	// Listen is where to listen, 127.0.0.1 and a free port when empty.
	Listen string
	// Authority issues the server's certificate; a new one when nil.
	Authority *Authority
	// Certificate says what is issued; the zero value is good for a client
	// on this machine.
	Certificate Certificate
	// TLS is what else the server offers, TLS 1.2 and 1.3 when nil.
	TLS *tls.Config
	// Log gets a line for each request; none when nil.
	Log io.Writer
}

// Server is one that runs.
type Server struct {
	// URL is the server's address without a slash at the end.
	URL string
	// AuthorityPEM is the root certificate a client must trust.
	AuthorityPEM []byte

	http   *http.Server
	record *record
	done   chan error
}

// Start begins to serve and returns.
func Start(ctx context.Context, o Options) (*Server, error) {
	authority, config, err := o.tls()
	if err != nil {
		return nil, err
	}
	address := o.Listen
	if address == "" {
		address = "127.0.0.1:0"
	}
	var configuration net.ListenConfig
	listener, err := configuration.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{
		URL:          "https://" + listener.Addr().String(),
		AuthorityPEM: authority.PEM(),
		record:       &record{handler: o.Handler, log: o.Log},
		done:         make(chan error, 1),
	}
	s.http = &http.Server{
		Handler:           s.record,
		TLSConfig:         config,
		ReadHeaderTimeout: time.Minute,
		// A client that hangs up is what tests do.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() { s.done <- s.http.ServeTLS(listener, "", "") }()
	return s, nil
}

func (o Options) tls() (*Authority, *tls.Config, error) {
	authority := o.Authority
	if authority == nil {
		var err error
		if authority, err = NewAuthority(); err != nil {
			return nil, nil, err
		}
	}
	certificate, err := authority.Issue(o.Certificate)
	if err != nil {
		return nil, nil, fmt.Errorf("server certificate: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	config.Certificates = []tls.Certificate{certificate}
	return authority, config, nil
}

// Requests returns what was asked so far, in the order of arrival; a request
// being answered has no Status yet.
func (s *Server) Requests() []Request { return s.record.requests() }

// Close drops all connections and returns when nothing listens any more.
func (s *Server) Close() error {
	err := s.http.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
