// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How a fetcher, a process of its own, tells the client what it learnt from the
// server. In its answers only these headers are not the server's.
const (
	// headerFailure names why there is no answer, or in a trailer why there is
	// no more of it.
	headerFailure = "Updater-Fetch-Failure"
	// headerReason says so in words.
	headerReason = "Updater-Fetch-Reason"
	// headerLength is the length the server declared. The body between the two
	// processes is sent in chunks, whose end cannot be mistaken and may be
	// followed by a trailer (RFC 9112, 7.1).
	headerLength = "Updater-Fetch-Length"
)

// failureNames are the values of headerFailure, by their meaning.
var failureNames = []struct {
	class error
	name  string
}{
	{ErrNetwork, "NetworkUnavailable"},
	{ErrTLS, "TLSFailed"},
	{ErrServer, "ServerError"},
	{ErrTooSlow, "TooSlow"},
	{ErrConfig, "ConfigInvalid"},
}

// Relay makes one request and hands its answer on as it comes: the header to
// accept, which returns where the body goes, nil for nowhere. Nothing is judged
// and nothing asked for twice; Limits hold as for one attempt of [Client.File].
//
// The error is ctx's when ctx ended the call, the writer's when that did, and
// otherwise matches one of [ErrNetwork], [ErrTLS], [ErrServer] and [ErrTooSlow].
// accept and the writer are used from one other goroutine, and not once Relay
// has returned.
func (c *Client) Relay(ctx context.Context, method, url string, extra http.Header, accept func(*http.Response) (io.Writer, error)) error {
	w := &watch{url: url, limits: c.limits}
	w.quiet.restart(time.Now(), 0)
	err := w.during(ctx, func(ctx context.Context) error {
		resp, err := c.ask(ctx, method, url, extra)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		dst, err := accept(resp)
		if err != nil || dst == nil {
			return err
		}
		w.meter.setReceiving(true)
		return w.relay(dst, resp.Body)
	})
	return unlessDone(ctx, url, err)
}

// relay moves bytes until the body ends.
func (w *watch) relay(dst io.Writer, body io.Reader) error {
	buffer := make([]byte, bufferBytes)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			w.meter.add(int64(n))
			if _, err := dst.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return classifyBody(w.url, err)
		}
	}
}

// Tell puts into a header, or the trailer behind a body, what an error of
// [Client.Relay] or an [ErrConfig] means. It returns false for one that nobody is
// to be told: a body that was cut short is best told by cutting it short.
func Tell(h http.Header, err error) bool {
	f, ok := errors.AsType[*failure](err)
	if ok && f.heals && errors.Is(f.class, ErrServer) {
		return false
	}
	for _, known := range failureNames {
		if errors.Is(err, known.class) {
			h.Set(headerFailure, known.name)
			h.Set(headerReason, legible(strings.TrimPrefix(reason(err), known.class.Error()+": ")))
			return true
		}
	}
	return false
}

// reason is the text of an error without its address and its class: whoever is
// told has these.
func reason(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.reason
	}
	return err.Error()
}

// AnnounceTrailer puts into a header that Tell may use the trailer.
func AnnounceTrailer(h http.Header) { h.Set("Trailer", headerFailure+", "+headerReason) }

// TellLength puts into a header how long the server says the body is, -1 when it
// does not say.
func TellLength(h http.Header, bytes int64) {
	if bytes >= 0 {
		h.Set(headerLength, strconv.FormatInt(bytes, 10))
	}
}

// toldError is why there is no answer, or no more of it, as far as it is not
// for net/http's errors to say.
type toldError struct {
	class  error
	reason string
}

func (f *toldError) Error() string { return f.class.Error() + ": " + f.reason }

func (f *toldError) at(url string) *failure {
	if errors.Is(f.class, ErrNetwork) || errors.Is(f.class, ErrTooSlow) {
		return passing(url, f.class, "%s", f.reason)
	}
	return permanent(url, f.class, "%s", f.reason)
}

// told reads what a fetcher said: nil when it told of no failure. Its text is
// not trusted, and a failure of another name is the server's error.
func told(h http.Header) error {
	names := h.Values(headerFailure)
	if len(names) == 0 {
		return nil
	}
	f := &toldError{ErrServer, legible(h.Get(headerReason))}
	for _, known := range failureNames {
		if known.name == names[0] && len(names) == 1 {
			f.class = known.class
			return f
		}
	}
	f.reason = "failure " + quote(names[0]) + ": " + f.reason
	return f
}

// toldLength is what a fetcher said the server declared, -1 for nothing.
func toldLength(h http.Header) (int64, error) {
	said := h.Values(headerLength)
	if len(said) == 0 {
		return -1, nil
	}
	n, ok := parseBytes(said[0])
	if !ok || len(said) > 1 {
		return -1, &toldError{ErrServer, "length " + quote(said[0]) + " from the fetcher"}
	}
	return n, nil
}

// toldBody is a body behind which the fetcher may tell of a failure.
type toldBody struct {
	io.ReadCloser
	trailer *http.Header
}

func (b toldBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		if failure := told(*b.trailer); failure != nil {
			return n, failure
		}
	}
	return n, err
}
