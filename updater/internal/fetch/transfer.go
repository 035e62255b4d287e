// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// bufferBytes is a TLS record (RFC 8446, 5.1), the most that crypto/tls returns
// from one read. Larger buffers were measured: they change nothing.
const bufferBytes = 16 << 10

// transfer is one file on its way into a Partial.
type transfer struct {
	client   *Client
	url      string
	dst      Partial
	maxBytes int64
	meter    *meter
	refused  bool // a range was answered with 416 once
}

// body is what is left of the file to receive once an answer was accepted.
type body struct {
	rest      io.Reader // nil when there is nothing to receive
	continues bool      // follows what the Partial holds already
	wantBytes int64     // -1 unknown
}

// attempt makes one request and receives what it brings.
func (t *transfer) attempt(ctx context.Context) error {
	offset := t.resumePoint()
	resp, err := t.client.ask(ctx, http.MethodGet, t.url, rangeHeader(offset, t.dst.Validator()))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := t.accept(resp, offset)
	if err != nil || b.rest == nil {
		return err
	}
	return t.receive(b)
}

// resumePoint is how many of the bytes held the next request builds on.
func (t *transfer) resumePoint() int64 {
	if !isValidator(t.dst.Validator()) || t.dst.Len() > t.maxBytes {
		return 0
	}
	return t.dst.Len()
}

func rangeHeader(offset int64, validator string) http.Header {
	if offset == 0 {
		return nil
	}
	h := make(http.Header)
	h.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
	h.Set("If-Range", validator)
	return h
}

// accept judges an answer by its status and header and makes the Partial ready
// for the body; there is none to receive when the file is whole already.
func (t *transfer) accept(resp *http.Response, offset int64) (body, error) {
	switch {
	case resp.StatusCode == http.StatusOK:
		return t.begin(resp)
	case resp.StatusCode == http.StatusPartialContent && offset > 0:
		return t.resume(resp, offset)
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && offset > 0:
		return body{}, t.unsatisfied(resp, offset)
	}
	return body{}, &StatusError{URL: t.url, Code: resp.StatusCode}
}

// begin accepts a 200: the whole file, whatever was asked for.
func (t *transfer) begin(resp *http.Response) (body, error) {
	if err := plain(t.url, resp); err != nil {
		return body{}, err
	}
	if err := t.checkTotal(resp.ContentLength); err != nil {
		return body{}, err
	}
	if err := t.dst.Begin(strongValidator(resp.Header), false); err != nil {
		return body{}, err
	}
	t.meter.place(0, resp.ContentLength)
	return body{rest: resp.Body, wantBytes: resp.ContentLength}, nil
}

// resume accepts a 206 that is the rest of the file to the byte.
func (t *transfer) resume(resp *http.Response, offset int64) (body, error) {
	if err := plain(t.url, resp); err != nil {
		return body{}, err
	}
	validator := t.dst.Validator()
	if contradicts(resp.Header, validator) {
		return body{}, t.startOver("file changed")
	}
	r, err := t.checkRange(resp, offset)
	if err != nil {
		return body{}, err
	}
	if err := t.dst.Begin(validator, true); err != nil {
		return body{}, err
	}
	t.meter.place(offset, r.totalBytes)
	return body{rest: resp.Body, continues: true, wantBytes: r.lengthBytes()}, nil
}

func (t *transfer) checkRange(resp *http.Response, offset int64) (contentRange, error) {
	said := resp.Header.Values("Content-Range")
	if len(said) != 1 {
		return contentRange{}, t.distrust("206 with %d Content-Range headers", len(said))
	}
	r, ok := parseContentRange(said[0])
	known := t.meter.total()
	switch {
	case !ok, r.firstByte != offset, r.lastByte != r.totalBytes-1:
		return r, t.distrust("206 with Content-Range %s for the bytes from %d", quote(said[0]), offset)
	case resp.ContentLength >= 0 && resp.ContentLength != r.lengthBytes():
		return r, t.distrust("206 with Content-Range %s and Content-Length %d", quote(said[0]), resp.ContentLength)
	case known >= 0 && r.totalBytes != known:
		return r, t.distrust("206 with Content-Range %s for a file of %d bytes", quote(said[0]), known)
	}
	return r, t.checkTotal(r.totalBytes)
}

// unsatisfied handles a 416: there is nothing from offset on. That is so when an
// earlier run was ended between the last byte and its use, and then not a reason
// to fetch everything again.
func (t *transfer) unsatisfied(resp *http.Response, offset int64) error {
	r, ok := parseContentRange(resp.Header.Get("Content-Range"))
	if ok && r.firstByte < 0 && r.totalBytes == offset && !contradicts(resp.Header, t.dst.Validator()) {
		return nil
	}
	if t.refused {
		return &StatusError{URL: t.url, Code: resp.StatusCode}
	}
	t.refused = true
	return t.startOver("range refused")
}

// startOver drops what is held and leaves the rest to another attempt.
func (t *transfer) startOver(reason string) error {
	if err := t.drop(); err != nil {
		return err
	}
	return passing(t.url, ErrServer, "%s", reason)
}

// distrust ends the file over a range that is not the one asked for. What is
// held goes too, or every later run would ask for the same range again.
func (t *transfer) distrust(format string, args ...any) error {
	if err := t.drop(); err != nil {
		return err
	}
	return permanent(t.url, ErrServer, format, args...)
}

func (t *transfer) drop() error {
	t.meter.place(0, -1)
	return t.dst.Begin("", false)
}

func (t *transfer) checkTotal(declared int64) error {
	if declared > t.maxBytes {
		return fmt.Errorf("%s: %w", quote(t.url), &TooLargeError{DeclaredBytes: declared, LimitBytes: t.maxBytes})
	}
	return nil
}

// receive appends a body to the Partial and checks its length.
func (t *transfer) receive(b body) error {
	allowed := b.wantBytes
	if allowed < 0 {
		allowed = t.maxBytes
	}
	t.meter.setReceiving(true)
	defer t.meter.setReceiving(false)
	got, err := t.copy(b, allowed)
	switch {
	case err == nil && got > allowed:
		return t.tooLong(b)
	case err == nil && got < b.wantBytes:
		err = classifyBody(t.url, io.ErrUnexpectedEOF)
	}
	if f, ok := errors.AsType[*failure](err); ok {
		f.free = b.continues && got > 0
	}
	return err
}

// copy moves bytes until the body ends or has had more than allowed, and returns
// how many came. The surplus is not written.
func (t *transfer) copy(b body, allowed int64) (got int64, err error) {
	buffer := make([]byte, bufferBytes)
	for got <= allowed {
		n, readErr := b.rest.Read(buffer)
		room := allowed - got
		got += int64(n)
		if _, err := t.dst.Write(buffer[:min(int64(n), room)]); err != nil {
			return got, err
		}
		t.meter.add(int64(n))
		if readErr == io.EOF {
			return got, nil
		}
		if readErr != nil {
			return got, classifyBody(t.url, readErr)
		}
	}
	return got, nil
}

func (t *transfer) tooLong(b body) error {
	if b.wantBytes >= 0 {
		return permanent(t.url, ErrServer, "body longer than the %d bytes declared", b.wantBytes)
	}
	return fmt.Errorf("%s: %w", quote(t.url), &TooLargeError{DeclaredBytes: -1, LimitBytes: t.maxBytes})
}

// plain refuses an encoded body: none was asked for, and what a body inflates to
// has no limit.
func plain(url string, resp *http.Response) error {
	if encoding := resp.Header.Values("Content-Encoding"); len(encoding) > 0 || resp.Uncompressed {
		return permanent(url, ErrServer, "Content-Encoding %s, none was asked for", quote(fmt.Sprint(encoding)))
	}
	return nil
}
