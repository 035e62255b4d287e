// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// phase is how far a request has come. crypto/tls and net/http return most of
// their errors as plain text, so where one happened says what it means. It is
// set by the transport's goroutines.
type phase struct{ at atomic.Int32 }

const (
	phaseHandshake int32 = iota + 1
	phaseConnected
)

func (p *phase) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { p.at.Store(phaseHandshake) },
		GotConn:           func(httptrace.GotConnInfo) { p.at.Store(phaseConnected) },
	})
}

// classify gives an error of RoundTrip its meaning.
func (p *phase) classify(url string, err error) error {
	if told, ok := errors.AsType[*toldError](err); ok {
		return told.at(url)
	}
	text := legible(err.Error())
	switch {
	case isTLS(err):
		return permanent(url, ErrTLS, "%s", text)
	case isTimeout(err) && p.at.Load() == phaseConnected:
		return passing(url, ErrTooSlow, "%s", text)
	case isTimeout(err), isConnection(err):
		return passing(url, ErrNetwork, "%s", text)
	case p.at.Load() == phaseHandshake:
		return permanent(url, ErrTLS, "%s", text)
	}
	return permanent(url, ErrServer, "%s", text)
}

// classifyBody gives an error met while reading a body its meaning.
func classifyBody(url string, err error) error {
	if told, ok := errors.AsType[*toldError](err); ok {
		return told.at(url)
	}
	text := legible(err.Error())
	switch {
	case isTLS(err):
		return permanent(url, ErrTLS, "%s", text)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return passing(url, ErrServer, "body cut short")
	case isTimeout(err), isConnection(err):
		return passing(url, ErrNetwork, "%s", text)
	}
	return permanent(url, ErrServer, "%s", text)
}

// isTLS reports what may be wrong at any time of a connection. Alerts, the peer's
// and our own, are net.OpErrors whose Op is no operation.
func isTLS(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "remote error" || op.Op == "local error"
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func isConnection(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
