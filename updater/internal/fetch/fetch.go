// SPDX-License-Identifier: LGPL-2.1-or-later

// Package fetch gets documents and large files from the update server.
//
// # Who takes part
//
// One web server, reached by https, whose certificate must come from the pool
// [NewTransport] is given; this machine, which sends the headers [New] is
// given (they identify it) to that server and to no other; and a [Partial],
// the caller's place for the bytes, which may outlive the process.
//
// # The order of a file
//
//  1. Ask. A Partial that holds bytes and a validator is continued with Range
//     and If-Range, anything else begins at zero.
//  2. Judge the answer before its body: the status (200, or 206 to a Range),
//     no Content-Encoding, the length declared against the limit, and of a 206
//     first byte, last byte, total and validator. A 200 in place of a 206 means
//     that the file has changed or the server knows no ranges: start over.
//  3. Receive. A byte too many is an error, a byte too few another attempt.
//  4. What time may heal (the connection, a timeout, a short body, an overloaded
//     server) is tried again after a random, growing wait; what it cannot (a
//     certificate, a 404, a redirect, a size) ends the file at once.
//
// # What ends it
//
// Every attempt counts against Limits.Attempts, the first one too. Free is only
// one that continued the file (206), brought at least a byte and was then cut
// off: a good server behind a bad line may cut as often as it likes. Nothing
// resets the count. Starting over and being too slow always count, so between
// two counted attempts the file only grows, and it grows at a minimum rate:
//
//   - less than Limits.StallBytes in a Limits.StallWindow of receiving ends the
//     attempt;
//   - less than Limits.StallBytes in Limits.StallTotal ends the file, whatever
//     filled the time: connecting, waiting between attempts, a byte now and then.
//
// # Threat
//
// The server, or whoever holds its key, may send anything at any speed. It must
// not be able to fill the disk or the memory, to hold the daemon for good, to
// send it elsewhere (redirects, proxies), to make it inflate anything, or to put
// text of its own choice into the log. Whether the bytes are the right ones is
// not judged here: signatures do that.
//
// Time is the monotonic clock's, which stands still while the machine sleeps
// (clock_gettime(2)): a suspended laptop is not a slow server.
package fetch

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
)

// Partial is where a file grows. A Partial that is kept between two calls of
// [Client.File], or two runs of the program, is continued by the next.
//
// File uses it from one goroutine at a time, which need not be the caller's, and
// not at all once it has returned.
type Partial interface {
	// Len is the number of bytes held.
	Len() int64
	// Validator is what Begin was last told, "" when the bytes held cannot be
	// continued.
	Validator() string
	// Begin comes before the bytes of each answer. The validator belongs to
	// these and is to be stored beside them before any of them; keep tells
	// whether they follow those already held, which are dropped otherwise.
	Begin(validator string, keep bool) error
	// Write appends. Its errors end the file and reach the caller as they are.
	Write(p []byte) (int, error)
}

// Client asks one server. It is safe for concurrent use.
type Client struct {
	transport http.RoundTripper
	header    http.Header
	limits    Limits
}

// New returns a client that sends header with every request. The zero fields
// of limits are those of [DefaultLimits].
//
// It calls rt itself, without an http.Client around it: one call is one request
// to the address given. So there is nothing that could follow a redirect, keep
// a cookie or add a Referer.
func New(rt http.RoundTripper, header http.Header, limits Limits) *Client {
	return &Client{transport: rt, header: header.Clone(), limits: limits.orDefault()}
}

// Document returns a whole body of at most maxBytes. Its errors are those of
// [Client.File].
func (c *Client) Document(ctx context.Context, url string, maxBytes int64) ([]byte, error) {
	var m memory
	if err := c.File(ctx, url, &m, maxBytes, nil); err != nil {
		return nil, err
	}
	return m.Bytes(), nil
}

// Size returns how many bytes the server says a file has, -1 when it does not
// say, without asking for any of them. Its errors are those of [Client.File].
func (c *Client) Size(ctx context.Context, url string) (int64, error) {
	size := int64(-1)
	err := c.persist(ctx, &watch{url: url, limits: c.limits}, func(ctx context.Context) error {
		resp, err := c.ask(ctx, http.MethodHead, url, nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return &StatusError{URL: url, Code: resp.StatusCode}
		}
		size = resp.ContentLength
		return plain(url, resp)
	})
	if err != nil {
		return -1, err
	}
	return size, nil
}

// File makes dst hold the whole file, of at most maxBytes, continuing what dst
// holds already where the server allows it.
//
// The error is ctx's when ctx ended the call, dst's when dst did, and otherwise
// matches exactly one of [ErrNetwork], [ErrTLS], [ErrServer], [ErrTooLarge] and
// [ErrTooSlow]. A wait that ctx's deadline would cut off is not begun: the error
// is then the one that called for the wait, which says more. What dst holds
// after an error may be continued by another call.
//
// progress, which may be nil, is told how many bytes of the file dst holds and
// how many the file has, -1 while unknown: four times a second from beginning to
// end, also while nothing changes, and once more when the file is whole. It runs
// on the caller's goroutine, must not use dst, and sees done fall when the
// transfer starts over.
func (c *Client) File(ctx context.Context, url string, dst Partial, maxBytes int64, progress func(done, total int64)) error {
	w := &watch{url: url, limits: c.limits, progress: progress}
	t := &transfer{client: c, url: url, dst: dst, maxBytes: maxBytes, meter: &w.meter}
	t.meter.place(t.resumePoint(), -1)
	if err := c.persist(ctx, w, t.attempt); err != nil {
		return err
	}
	t.meter.place(dst.Len(), dst.Len())
	w.report()
	return nil
}

// ask makes one request and returns its answer, whose body the caller closes.
func (c *Client) ask(ctx context.Context, method, url string, extra http.Header) (*http.Response, error) {
	var p phase
	req, err := http.NewRequestWithContext(p.trace(ctx), method, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: not an address", quote(url))
	}
	// The configuration refuses this long before. Here it keeps the headers
	// from ever leaving in the clear.
	if req.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s: not an https address", quote(url))
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	// Without it a server may choose any encoding (RFC 9110, 12.5.3).
	req.Header.Set("Accept-Encoding", "identity")
	for name, values := range extra {
		req.Header[name] = values
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		c.endDials()
		return nil, p.classify(url, err)
	}
	return resp, nil
}

// endDials ends the connections an ended request was still making. net/http
// lets them go on without the request's context, for another to use; a cancelled
// call would leave them behind until they time out. Those that some request
// still waits for go on.
func (c *Client) endDials() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// memory is the Partial of a document: small, so never continued.
type memory struct{ bytes.Buffer }

func (m *memory) Len() int64        { return int64(m.Buffer.Len()) }
func (m *memory) Validator() string { return "" }
func (m *memory) Begin(string, bool) error {
	m.Reset()
	return nil
}
