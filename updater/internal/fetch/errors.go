// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Why a file could not be had, by meaning.
var (
	// ErrNetwork: no name, no connection, or a connection that broke.
	ErrNetwork = errors.New("network unavailable")
	// ErrTLS: whoever answered is not the server we trust, or does not speak
	// TLS 1.2 or 1.3.
	ErrTLS = errors.New("secure connection failed")
	// ErrServer: the server answered, but not with the file.
	ErrServer = errors.New("server error")
	// ErrTooLarge: more bytes than allowed, declared or sent.
	ErrTooLarge = errors.New("response too large")
	// ErrTooSlow: below the minimum rate, or no answer in time.
	ErrTooSlow = errors.New("download too slow")
	// ErrConfig: a fetcher that cannot read its configuration, or one that is not
	// to be trusted. Only [NewSocketTransport] brings it.
	ErrConfig = errors.New("configuration invalid")
)

// StatusError is an answer whose status is not the one asked for. It is an
// [ErrServer].
type StatusError struct {
	URL  string
	Code int
}

func (e *StatusError) Error() string {
	status := strings.TrimSpace(strconv.Itoa(e.Code) + " " + http.StatusText(e.Code))
	return fmt.Sprintf("%s: server error: status %s", quote(e.URL), status)
}

// Is tells errors.Is that this is an ErrServer.
func (e *StatusError) Is(target error) bool { return target == ErrServer }

// TooLargeError is a body longer than allowed. It is an [ErrTooLarge].
type TooLargeError struct {
	// DeclaredBytes is the length the server declared, -1 when it declared none
	// and the body went on beyond the limit.
	DeclaredBytes int64
	LimitBytes    int64
}

func (e *TooLargeError) Error() string {
	if e.DeclaredBytes < 0 {
		return fmt.Sprintf("response too large: more than the %d bytes allowed", e.LimitBytes)
	}
	return fmt.Sprintf("response too large: %d bytes declared, %d allowed", e.DeclaredBytes, e.LimitBytes)
}

// Is tells errors.Is that this is an ErrTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// failure is every other end of an attempt that is not ctx's or the Partial's.
//
// The cause is kept as text only. net/http's timeouts claim to be
// context.DeadlineExceeded, and a caller must be able to tell its own deadline
// from a slow server.
type failure struct {
	url    string
	class  error // one of the errors above
	reason string
	heals  bool // worth another attempt
	free   bool // does not count as an attempt: it continued the file
}

func (f *failure) Error() string {
	return fmt.Sprintf("%s: %v: %s", quote(f.url), f.class, f.reason)
}

func (f *failure) Unwrap() error { return f.class }

func permanent(url string, class error, format string, args ...any) *failure {
	return &failure{url: url, class: class, reason: fmt.Sprintf(format, args...)}
}

func passing(url string, class error, format string, args ...any) *failure {
	return &failure{url: url, class: class, reason: fmt.Sprintf(format, args...), heals: true}
}

// maxTextBytes is how much of a text from outside an error shows.
const maxTextBytes = 200

// quote makes text from outside fit for a line of a log.
func quote(s string) string { return strconv.Quote(cut(s)) }

// legible is quote for text that is mostly our own, such as an error of
// net/http: quotation marks only where there is something to hide.
func legible(s string) string {
	if q := quote(s); q != `"`+cut(s)+`"` {
		return q
	}
	return cut(s)
}

func cut(s string) string {
	if len(s) <= maxTextBytes {
		return s
	}
	return s[:maxTextBytes] + "…"
}
