// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
)

// maxHeaderBytes is enough for any honest header and small beside the daemon's
// memory; net/http's own default is 1 MiB.
const maxHeaderBytes = 64 << 10

// NewTransport returns a transport that trusts the certificates in roots and no
// others; nil is nobody, not the system's.
//
// What is not set is meant: no Proxy, which http.DefaultTransport takes from the
// environment, and no ClientSessionCache, as every answer comes from a server
// that has shown its certificate.
func NewTransport(roots *x509.CertPool, l Limits) *http.Transport {
	l = l.orDefault()
	if roots == nil {
		roots = x509.NewCertPool() // tls.Config takes nil for the system's pool
	}
	return &http.Transport{
		DialContext: dialBuffered(&net.Dialer{Timeout: l.ConnectTimeout}),
		TLSClientConfig: &tls.Config{
			RootCAs:    roots,
			MinVersion: tls.VersionTLS12,
			MaxVersion: tls.VersionTLS13,
		},
		TLSHandshakeTimeout:    l.ConnectTimeout,
		ResponseHeaderTimeout:  l.HeaderTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		Protocols:              onlyHTTP1(),
		// Otherwise it asks for gzip and inflates it unseen: a bomb.
		DisableCompression: true,
		// A connection serves one request. A surplus byte after one answer
		// can then not become the beginning of the next, nothing stays open
		// between two checks a day apart, and the few handshakes more in an
		// update are not felt.
		DisableKeepAlives: true,
	}
}

// onlyHTTP1 leaves out HTTP/2: one request at a time gains nothing from it, its
// flow control is slower for a single large file, and its framing, header
// compression and control frames are where the denials of service of recent
// years were. In HTTP/1.1 to cancel is to close the connection.
func onlyHTTP1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}
