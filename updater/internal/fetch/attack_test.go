// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/updater/internal/fetch"
)

func TestFileAttacked(t *testing.T) { byRoute(t, testFileAttacked) }

func testFileAttacked(t *testing.T, r route) {
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, a.answer)
			limits := quick()
			if a.limits != nil {
				a.limits(&limits)
			}
			dst := &file{t: t, data: bytes.Clone(truth[:a.heldBytes])}
			if a.heldBytes > 0 {
				dst.validator = oldTag
			}
			client, url := r(t, fetch.NewTransport(s.authority.pool(), limits), s.URL, limits)
			err := client.File(t.Context(), url, dst, limitBytes, nil)
			checkAttacked(t, a, err, s, dst)
			if err != nil {
				checkText(t, err, url)
			}
		})
	}
}

func checkAttacked(t *testing.T, a attack, err error, s *server, dst *file) {
	t.Helper()
	if !errors.Is(err, a.wantErr) {
		t.Errorf("error %v, want %v", err, a.wantErr)
	}
	if n := len(s.asked()); a.wantRequests != 0 && n != a.wantRequests {
		t.Errorf("%d requests, want %d", n, a.wantRequests)
	}
	if a.wantHeld < 0 {
		dst.startsLike(truth)
	} else if len(dst.data) != a.wantHeld {
		t.Errorf("holds %d bytes, want %d", len(dst.data), a.wantHeld)
	}
}

// checkText reads an error as a log would show it.
func checkText(t *testing.T, err error, url string) {
	t.Helper()
	text := err.Error()
	if !strings.Contains(text, url) {
		t.Errorf("error %s does not name the address", text)
	}
	if strings.Contains(text, secret) || strings.ContainsAny(text, "\x1b\a\r\n") || len(text) > 700 {
		t.Errorf("error shows what the server wrote: %q", text)
	}
}

// TestErrorsKeepTimeoutsApart makes sure that a slow server is not taken for the
// end of the caller's context.
func TestErrorsKeepTimeoutsApart(t *testing.T) { byRoute(t, testErrorsKeepTimeoutsApart) }

func testErrorsKeepTimeoutsApart(t *testing.T, r route) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	l := quick()
	l.HeaderTimeout = 10 * time.Millisecond
	client, url := r(t, fetch.NewTransport(s.authority.pool(), l), s.URL, l)
	_, err := client.Document(t.Context(), url, 1)
	if !errors.Is(err, fetch.ErrTooSlow) || isContext(err) {
		t.Errorf("error %v", err)
	}
}

func TestStatusErrorCarriesCode(t *testing.T) { byRoute(t, testStatusErrorCarriesCode) }

func testStatusErrorCarriesCode(t *testing.T, r route) {
	s := serve(t, http.NotFound)
	client, url := r(t, fetch.NewTransport(s.authority.pool(), quick()), s.URL, quick())
	_, err := client.Size(t.Context(), url)
	status, ok := errors.AsType[*fetch.StatusError](err)
	if !ok || *status != (fetch.StatusError{URL: url, Code: 404}) {
		t.Errorf("error %#v", err)
	}
}

// TestLongAddressIsCut has an address that would fill the log.
func TestLongAddressIsCut(t *testing.T) {
	s := serve(t, http.NotFound)
	_, err := s.client(quick()).Document(t.Context(), s.URL+"/"+strings.Repeat("x", 5000), 1)
	if !errors.Is(err, fetch.ErrServer) || len(err.Error()) > 400 {
		t.Errorf("error of %d bytes: %.500v", len(err.Error()), err)
	}
}
