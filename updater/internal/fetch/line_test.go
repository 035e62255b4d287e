// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// line is a RoundTripper that answers from a file of totalBytes zeros, each
// request with the next of scripts, the last of them again and again.
type line struct {
	totalBytes int64
	scripts    []script
	askedAt    []time.Time
}

// script is how one request goes.
type script struct {
	err         error         // instead of an answer
	status      int           // 200, or 206 to a range, when zero
	headerAfter time.Duration // before the answer
	every       time.Duration // between steps
	stepBytes   int64
	cutAfter    int64 // bytes of body, 0 for all
}

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	l.askedAt = append(l.askedAt, time.Now())
	s := l.scripts[min(len(l.askedAt), len(l.scripts))-1]
	if err := sleep(r.Context(), s.headerAfter); err != nil {
		return nil, err
	}
	if s.err != nil {
		return nil, s.err
	}
	return l.answer(r.Context(), r, s), nil
}

func (l *line) answer(ctx context.Context, r *http.Request, s script) *http.Response {
	var offset int64
	h, status := make(http.Header), http.StatusOK
	h.Set("ETag", oldTag)
	if asked, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		offset, _ = strconv.ParseInt(strings.TrimSuffix(asked, "-"), 10, 64)
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, l.totalBytes-1, l.totalBytes))
		status = http.StatusPartialContent
	}
	if s.status != 0 {
		status = s.status
	}
	length := l.totalBytes - offset
	wait := func(d time.Duration) error { return sleep(ctx, d) }
	body := &drip{wait: wait, script: s, left: length}
	return &http.Response{StatusCode: status, Header: h, ContentLength: length, Body: io.NopCloser(body)}
}

// drip is a body that comes in steps.
type drip struct {
	wait func(time.Duration) error
	script
	left, sent, ready int64
}

func (d *drip) Read(p []byte) (int, error) {
	switch {
	case d.left == 0:
		return 0, io.EOF
	case d.cutAfter > 0 && d.sent == d.cutAfter:
		return 0, io.ErrUnexpectedEOF
	case d.ready == 0:
		if err := d.wait(d.every); err != nil {
			return 0, err
		}
		d.ready = min(d.stepBytes, d.left)
	}
	n := min(int64(len(p)), d.ready)
	if d.cutAfter > 0 {
		n = min(n, d.cutAfter-d.sent)
	}
	d.left, d.sent, d.ready = d.left-n, d.sent+n, d.ready-n
	clear(p[:n])
	return int(n), nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// counter is a Partial that only counts.
type counter struct {
	n         int64
	validator string
}

func (c *counter) Len() int64        { return c.n }
func (c *counter) Validator() string { return c.validator }
func (c *counter) Begin(validator string, keep bool) error {
	c.validator = validator
	if !keep {
		c.n = 0
	}
	return nil
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
