// SPDX-License-Identifier: LGPL-2.1-or-later

package metrics

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// start serves m on a Unix socket and returns its path, and what ends it and
// waits for that.
func start(t *testing.T, m *Metrics) (path string, stop func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "metrics.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Serve(ctx, slog.New(slog.DiscardHandler), l)
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return path, stop
}

func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a request as it is and returns the answer.
func ask(t *testing.T, path, request string) (status int, header http.Header, body string) {
	t.Helper()
	c := dial(t, path)
	// What refuses early may not have read everything.
	go fmt.Fprint(c, request)
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(data)
}

func get(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n" }

func TestScrape(t *testing.T) {
	m := New("1.2.3")
	m.Publish(overview())
	path, _ := start(t, m)
	status, header, body := ask(t, path, get("/metrics"))
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("status %d, %v", status, header)
	}
	for _, line := range []string{
		`clipos_updater_info{os="clipos",running="5.0.0-alpha.1",version="1.2.3"} 1`,
		`clipos_updater_state{state="idle"} 1`,
		"# TYPE go_goroutines gauge",
		"# TYPE process_start_time_seconds gauge",
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no line %s in\n%s", line, body)
		}
	}
	if strings.Contains(body, "promhttp_") {
		t.Error("metrics of the global registry")
	}
	if status, _, body := ask(t, path, get("/healthz")); status != http.StatusOK || body != "ok\n" {
		t.Errorf("health %d %q", status, body)
	}
}

func TestRefused(t *testing.T) {
	huge := "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"
	tests := []struct {
		name, request string
		status        int
	}{
		{"POST", "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n", 405},
		{"POST to health", "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405},
		{"DELETE", "DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
		{"another path", get("/debug/pprof/"), 404},
		{"huge header", huge, 431},
		{"no HTTP", "hello\r\n\r\n", 400},
	}
	m := New("1.2.3")
	path, _ := start(t, m)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, header, _ := ask(t, path, test.request)
			if status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			if status == http.StatusMethodNotAllowed && header.Get("Allow") != "GET, HEAD" {
				t.Errorf("allowed: %q", header.Get("Allow"))
			}
		})
	}
}

// TestManyConnections: one too many is closed at once, and there is room again
// when one has gone.
func TestManyConnections(t *testing.T) {
	path, _ := start(t, New("1.2.3"))
	var silent []net.Conn
	for range maxConnections {
		silent = append(silent, dial(t, path))
	}
	isAnswered := func() bool {
		c := dial(t, path)
		fmt.Fprint(c, get("/healthz"))
		n, _ := c.Read(make([]byte, 1))
		return n > 0
	}
	if isAnswered() {
		t.Error("one too many was answered")
	}
	silent[0].Close()
	for end := time.Now().Add(time.Minute); !isAnswered(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no room for another")
		}
	}
}

// TestStop: a client that says nothing does not delay the end.
func TestStop(t *testing.T) {
	path, stop := start(t, New("1.2.3"))
	c := dial(t, path)
	stop()
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes for nothing", n)
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("it still listens")
	}
}

// TestPublishMeanwhile is for the race detector.
func TestPublishMeanwhile(t *testing.T) {
	m := New("1.2.3")
	path, _ := start(t, m)
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 10 {
				if status, _, _ := ask(t, path, get("/metrics")); status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			}
		})
	}
	for range 1000 {
		m.Publish(full())
		m.Publish(overview())
	}
	clients.Wait()
}

// pipes is a listener within the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (*pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// TestSlowClient: whoever does not ask, or does not listen, is given up.
func TestSlowClient(t *testing.T) {
	tests := []struct {
		name, request string
		limit         time.Duration
	}{
		{"says nothing", "", readLimit},
		{"half a header", "GET /metrics HTTP/1.1\r\nHost:", readLimit},
		{"does not listen", get("/metrics"), writeLimit},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				ctx, stop := context.WithCancel(t.Context())
				go New("1.2.3").Serve(ctx, slog.New(slog.DiscardHandler), l)
				ours, theirs := net.Pipe()
				l.conns <- theirs
				fmt.Fprint(ours, test.request)
				time.Sleep(test.limit + time.Second)
				if _, err := ours.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("still connected: %v", err)
				}
				stop()
				synctest.Wait()
			})
		})
	}
}

// broken is a listener that fails.
type broken struct{ pipes }

func (*broken) Accept() (net.Conn, error) { return nil, io.ErrUnexpectedEOF }

// TestBrokenListener: the others go on.
func TestBrokenListener(t *testing.T) {
	var log strings.Builder
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "metrics.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		New("1.2.3").Serve(ctx, slog.New(slog.NewTextHandler(&log, nil)), &broken{pipes{closed: make(chan struct{})}}, l)
	}()
	if status, _, _ := ask(t, l.Addr().String(), get("/healthz")); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
	stop()
	<-ended
	if !strings.Contains(log.String(), "no more metrics") {
		t.Errorf("logged %q", log.String())
	}
}

func TestCheckLocal(t *testing.T) {
	tests := []struct {
		name string
		addr net.Addr
		err  error
	}{
		{"Unix", &net.UnixAddr{Name: "/run/updater/metrics.sock", Net: "unix"}, nil},
		{"loopback", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil},
		{"loopback, other", &net.TCPAddr{IP: net.IPv4(127, 9, 9, 9), Port: 1}, nil},
		{"loopback, IPv6", &net.TCPAddr{IP: net.IPv6loopback, Port: 1}, nil},
		{"every address", &net.TCPAddr{IP: net.IPv4zero, Port: 1}, ErrNotLocal},
		{"every address, IPv6", &net.TCPAddr{IP: net.IPv6unspecified, Port: 1}, ErrNotLocal},
		{"no address", &net.TCPAddr{Port: 1}, ErrNotLocal},
		{"private", &net.TCPAddr{IP: net.IPv4(192, 168, 1, 1), Port: 1}, ErrNotLocal},
		{"public", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}, ErrNotLocal},
		{"no stream", &net.UDPAddr{IP: net.IPv6loopback, Port: 1}, ErrNotLocal},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := CheckLocal(addressed{addr: test.addr}); !errors.Is(err, test.err) {
				t.Errorf("%v, want %v", err, test.err)
			}
		})
	}
}

type addressed struct {
	net.Listener
	addr net.Addr
}

func (a addressed) Addr() net.Addr { return a.addr }
