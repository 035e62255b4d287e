// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clipos/updater/updater/internal/fetch"
)

func TestNetworkUnavailable(t *testing.T) { byRoute(t, testNetworkUnavailable) }

func testNetworkUnavailable(t *testing.T, r route) {
	tests := []struct {
		name string
		dial func() (net.Conn, error)
	}{
		{"refused", func() (net.Conn, error) { return net.Dial("tcp", closedPort(t)) }},
		{"no such host", func() (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}
		}},
		{"closed in the handshake", func() (net.Conn, error) { return net.Dial("tcp", answeringPort(t, "")) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dials := new(atomic.Int32)
			transport := fetch.NewTransport(nil, quick())
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return test.dial() }
			client, url := r(t, counting(transport, dials), "https://updates.example", quick())
			_, err := client.Document(t.Context(), url, 10)
			if !errors.Is(err, fetch.ErrNetwork) || isContext(err) {
				t.Errorf("error %v, want %v", err, fetch.ErrNetwork)
			}
			if n := dials.Load(); n != 5 {
				t.Errorf("%d attempts, want 5", n)
			}
		})
	}
}

// closedPort is an address of this machine where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// answeringPort is an address where a connection gets an answer to its first
// byte and is closed.
func answeringPort(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// TestHandshakeNeverEnds has a server that takes connections and says nothing.
func TestHandshakeNeverEnds(t *testing.T) { byRoute(t, testHandshakeNeverEnds) }

func testHandshakeNeverEnds(t *testing.T, r route) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	limits := quick()
	limits.ConnectTimeout = 20 * time.Millisecond
	client, url := r(t, fetch.NewTransport(nil, limits), "https://"+l.Addr().String(), limits)
	_, err = client.Document(t.Context(), url, 10)
	if !errors.Is(err, fetch.ErrNetwork) || isContext(err) {
		t.Errorf("error %v, want %v", err, fetch.ErrNetwork)
	}
}

// TestReset breaks a connection by force in the middle of a body.
func TestReset(t *testing.T) { byRoute(t, testReset) }

func testReset(t *testing.T, r route) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		raw(w, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"+strings.Repeat("x", 1000))
			time.Sleep(20 * time.Millisecond)
			_ = c.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
			_ = c.(*tls.Conn).NetConn().Close()
		})
	})
	dst := &file{t: t}
	client, url := r(t, fetch.NewTransport(s.authority.pool(), quick()), s.URL, quick())
	err := client.File(t.Context(), url, dst, 2000, nil)
	if !errors.Is(err, fetch.ErrNetwork) {
		t.Errorf("error %v, want %v", err, fetch.ErrNetwork)
	}
	if n := len(s.asked()); n != 5 {
		t.Errorf("%d requests, want 5", n)
	}
}
