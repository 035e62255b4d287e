// SPDX-License-Identifier: LGPL-2.1-or-later

package tlsserver

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Request is one that a client made.
type Request struct {
	Method, Path string
	Header       http.Header
	// Status is 0 while the request is being answered, and stays so when the
	// handler drops the connection first. BodyBytes is what was sent of the
	// body.
	Status    int
	BodyBytes int64
}

// record passes requests on to handler and remembers them.
type record struct {
	handler http.Handler

	mu   sync.Mutex
	log  io.Writer
	seen []*Request
}

func (r *record) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	entry := &Request{Method: request.Method, Path: request.URL.Path, Header: request.Header.Clone()}
	r.mu.Lock()
	r.seen = append(r.seen, entry)
	r.mu.Unlock()

	answer := &answer{ResponseWriter: w}
	// Also when the handler panics, which is how it drops a connection.
	defer r.finish(entry, answer)
	r.handler.ServeHTTP(answer, request)
	answer.status = cmp.Or(answer.status, http.StatusOK)
}

func (r *record) finish(entry *Request, a *answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry.Status, entry.BodyBytes = a.status, a.bodyBytes
	if r.log != nil {
		fmt.Fprintf(r.log, "%s %q %d %d bytes range %q\n", entry.Method, entry.Path, entry.Status, entry.BodyBytes, entry.Header.Get("Range"))
	}
}

func (r *record) requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Request
	for _, entry := range r.seen {
		all = append(all, *entry)
	}
	return all
}

// answer counts what passes to the client.
type answer struct {
	http.ResponseWriter
	status    int
	bodyBytes int64
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.status = cmp.Or(a.status, http.StatusOK)
	n, err := a.ResponseWriter.Write(p)
	a.bodyBytes += int64(n)
	return n, err
}

// Unwrap lets a handler flush and hijack through http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
