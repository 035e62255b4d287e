// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clipos/updater/updater/internal/fetch"
)

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func TestTLSTrust(t *testing.T) { byRoute(t, testTLSTrust) }

func testTLSTrust(t *testing.T, r route) {
	good, other := newAuthority(t, "good"), newAuthority(t, "other")
	const here = "127.0.0.1"
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	config := func(oldest, newest uint16, certificates ...tls.Certificate) *tls.Config {
		return &tls.Config{Certificates: certificates, MinVersion: oldest, MaxVersion: newest}
	}
	trusted := good.issue(t, here, later)
	clientNeeded := config(0, 0, trusted)
	clientNeeded.ClientAuth = tls.RequireAnyClientCert
	tests := []struct {
		name    string
		config  *tls.Config
		roots   *x509.CertPool
		wantErr error
	}{
		{"TLS 1.3", config(tls.VersionTLS13, 0, trusted), good.pool(), nil},
		{"TLS 1.2", config(0, tls.VersionTLS12, trusted), good.pool(), nil},
		{"TLS 1.1", config(tls.VersionTLS10, tls.VersionTLS11, trusted), good.pool(), fetch.ErrTLS},
		{"other authority", config(0, 0, other.issue(t, here, later)), good.pool(), fetch.ErrTLS},
		{"expired", config(0, 0, good.issue(t, here, past)), good.pool(), fetch.ErrTLS},
		{"wrong host", config(0, 0, good.issue(t, "127.0.0.2", later)), good.pool(), fetch.ErrTLS},
		{"wants our certificate", clientNeeded, good.pool(), fetch.ErrTLS},
		{"empty pool", config(0, 0, trusted), x509.NewCertPool(), fetch.ErrTLS},
		{"no pool", config(0, 0, trusted), nil, fetch.ErrTLS},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serveTLS(t, test.config, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
			dials := new(atomic.Int32)
			client, url := r(t, counting(fetch.NewTransport(test.roots, quick()), dials), s.URL, quick())
			dst := &file{t: t}
			s.leavesNothing(t, func() {
				if err := client.File(t.Context(), url, dst, 100, nil); !errors.Is(err, test.wantErr) {
					t.Errorf("error %v, want %v", err, test.wantErr)
				}
			})
			if test.wantErr != nil && len(s.asked())+len(dst.data) != 0 {
				t.Errorf("%d requests reached the server", len(s.asked()))
			}
			if n := dials.Load(); n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
		})
	}
}

func counting(transport *http.Transport, dials *atomic.Int32) *http.Transport {
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, network, address)
	}
	return transport
}

// TestTransportAlone looks at what a request through [fetch.Client] cannot show:
// what the machine's own pool holds is not ours to say, and the client asks for
// no encoding anyhow.
func TestTransportAlone(t *testing.T) {
	if fetch.NewTransport(nil, quick()).TLSClientConfig.RootCAs == nil {
		t.Error("no pool is the system's pool")
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Accept-Encoding"))
	})
	client := http.Client{Transport: fetch.NewTransport(s.authority.pool(), quick())}
	resp, err := client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if asked, err := io.ReadAll(resp.Body); err != nil || len(asked) != 0 {
		t.Errorf("asked for %q, %v", asked, err)
	}
}

func TestNotTLS(t *testing.T) { byRoute(t, testNotTLS) }

func testNotTLS(t *testing.T, r route) {
	tests := map[string]string{
		"HTTP":                "HTTP/1.0 400 Bad Request\r\n\r\n",
		"a record of its own": "\x16\x03\x03\x00\x04\x0e\x00\x00\x00", // the end of a greeting that never began
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			client, url := r(t, fetch.NewTransport(nil, quick()), "https://"+answeringPort(t, answer), quick())
			_, err := client.Document(t.Context(), url, 10)
			if !errors.Is(err, fetch.ErrTLS) {
				t.Errorf("error %v, want %v", err, fetch.ErrTLS)
			}
		})
	}
}

// TestForgedRecord puts bytes into the connection that are not the server's.
func TestForgedRecord(t *testing.T) { byRoute(t, testForgedRecord) }

func testForgedRecord(t *testing.T, r route) {
	tests := map[string]string{"no record": "HTTP/1.0 200 OK\r\n\r\n", "of other keys": "\x17\x03\x03\x00\x20" + strings.Repeat("x", 32)}
	for name, forged := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				raw(w, func(c net.Conn) {
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"+string(truth[:1000]))
					_, _ = io.WriteString(c.(*tls.Conn).NetConn(), forged)
				})
			})
			dst := &file{t: t}
			client, url := r(t, fetch.NewTransport(s.authority.pool(), quick()), s.URL, quick())
			if err := client.File(t.Context(), url, dst, 2000, nil); !errors.Is(err, fetch.ErrTLS) {
				t.Errorf("error %v, want %v", err, fetch.ErrTLS)
			}
			dst.holds(truth[:1000])
		})
	}
}

func TestOnlyHTTPS(t *testing.T) {
	asked := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer s.Close()
	client := fetch.New(fetch.NewTransport(x509.NewCertPool(), quick()), identity, quick())
	for _, url := range []string{s.URL, "file:///etc/passwd", "", "https://\x7f", "//host/x"} {
		if _, err := client.Document(t.Context(), url, 10); err == nil {
			t.Errorf("address %q accepted", url)
		}
	}
	if asked {
		t.Error("asked without TLS")
	}
}

// TestRedirects leads to a server that must not learn who asked.
func TestRedirects(t *testing.T) { byRoute(t, testRedirects) }

func testRedirects(t *testing.T, r route) {
	visited := new(atomic.Int32)
	visit := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited.Add(1) })
	plain, otherTLS := httptest.NewServer(visit), serve(t, visit)
	defer plain.Close()
	for name, target := range map[string]string{"to http": plain.URL, "to another host": otherTLS.URL, "to itself": "/elsewhere"} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, http.StatusFound) })
			pool := s.authority.pool()
			pool.AddCert(otherTLS.authority.certificate)
			client, url := r(t, fetch.NewTransport(pool, quick()), s.URL, quick())
			_, err := client.Document(t.Context(), url, 1000)
			if status, ok := errors.AsType[*fetch.StatusError](err); !ok || status.Code != http.StatusFound {
				t.Errorf("error %v", err)
			}
			if len(s.asked()) != 1 {
				t.Errorf("%d requests, want 1", len(s.asked()))
			}
		})
	}
	if n := visited.Load(); n != 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}

// TestProxyIgnored runs itself again with proxies in the environment: net/http
// reads it once in a process.
func TestProxyIgnored(t *testing.T) {
	if os.Getenv("HTTPS_PROXY") == "" {
		again := exec.Command(os.Args[0], "-test.run=^TestProxyIgnored$")
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"} {
			again.Env = append(again.Env, name+"=http://proxy.example:3128")
		}
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("with a proxy in the environment: %v\n%s", err, out)
		}
		return
	}
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "direct") })
	// net/http never sends 127.0.0.1 to a proxy of the environment, so the name
	// asked for is another one, and the dialler finds the server all the same.
	transport := fetch.NewTransport(s.authority.pool(), quick())
	transport.TLSClientConfig.ServerName = "127.0.0.1"
	dialled := new(atomic.Value)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled.Store(address)
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
	got, err := fetch.New(transport, nil, quick()).Document(t.Context(), "https://updates.example/version", 10)
	if err != nil || string(got) != "direct" {
		t.Errorf("document %q, %v", got, err)
	}
	if dialled.Load() != "updates.example:443" {
		t.Errorf("dialled %v", dialled.Load())
	}
}
