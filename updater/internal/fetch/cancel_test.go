// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/clipos/updater/updater/internal/fetch"
)

// TestCancel ends the context in each phase of a file and looks for what is left.
func TestCancel(t *testing.T) {
	never := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := []struct {
		name string
		// arm makes reached be called once the phase is there.
		arm     func(transport *http.Transport, dst *file, reached func())
		handler func(reached func()) http.HandlerFunc
	}{
		{"dialling", func(transport *http.Transport, _ *file, reached func()) {
			transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				reached()
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}, func(func()) http.HandlerFunc { return never }},
		{"in the handshake", func(transport *http.Transport, _ *file, reached func()) {
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() {
					_, _ = far.Read(make([]byte, 1))
					reached()
					_, _ = io.Copy(io.Discard, far)
				}()
				return near, nil
			}
		}, func(func()) http.HandlerFunc { return never }},
		{"waiting for the header", nil, func(reached func()) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				reached()
				never(w, r)
			}
		}},
		{"in the body", func(_ *http.Transport, dst *file, reached func()) { dst.onWrite = reached }, func(func()) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write(truth)
				_ = http.NewResponseController(w).Flush()
				never(w, r)
			}
		}},
		{"in the body, continuing", func(_ *http.Transport, dst *file, reached func()) {
			dst.data, dst.validator, dst.onWrite = append(dst.data, truth[:1000]...), oldTag, reached
		}, func(func()) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Range", "bytes 1000-9999/10000")
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(truth[1000:5000])
				_ = http.NewResponseController(w).Flush()
				never(w, r)
			}
		}},
		{"before the wait", nil, func(reached func()) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusServiceUnavailable)
				reached()
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := serve(t, test.handler(cancel))
			limits := quick()
			limits.BackoffBase = time.Hour
			transport, dst := fetch.NewTransport(s.authority.pool(), limits), &file{t: t}
			if test.arm != nil {
				test.arm(transport, dst, cancel)
			}
			client := fetch.New(transport, identity, limits)
			s.leavesNothing(t, func() {
				err := client.File(ctx, s.URL, dst, 1<<20, nil)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error %v, want %v", err, context.Canceled)
				}
			})
			dst.startsLike(truth)
			if len(s.asked()) > 1 {
				t.Errorf("%d requests after the cancellation", len(s.asked())-1)
			}
		})
	}
}

func TestCancelledBefore(t *testing.T) {
	s := serve(t, http.NotFound)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.client(quick()).Size(ctx, s.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if len(s.asked()) != 0 {
		t.Error("asked all the same")
	}
}

// TestCancelLooksLikeAnEnd has a server that ends its body, of no declared
// length, because it sees the connection close.
func TestCancelLooksLikeAnEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	answer := roundTripper(func(*http.Request) (*http.Response, error) {
		body := readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, io.EOF
		})
		return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(body)}, nil
	})
	_, err := fetch.New(answer, nil, quick()).Document(ctx, address, 10)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
