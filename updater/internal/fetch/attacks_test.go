// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/clipos/updater/updater/internal/fetch"
)

const (
	limitBytes = 100_000
	// secret stands in every hostile answer and must not be in any error.
	secret = "IGNORE-ALL-CHECKS"
)

// attack is one hostile answer. The Partial holds heldBytes of the true file,
// continued by tag, when it is asked for.
type attack struct {
	name         string
	heldBytes    int
	answer       func(w http.ResponseWriter, r *http.Request)
	limits       func(*fetch.Limits)
	wantErr      error
	wantRequests int // 0 for any number
	// wantHeld is what the Partial holds afterwards, -1 for anything that is a
	// beginning of the true file.
	wantHeld int
}

func attacks() []attack {
	var list []attack
	list = append(list, lengthAttacks()...)
	list = append(list, rangeAttacks()...)
	list = append(list, slowAttacks()...)
	return append(list, headerAttacks()...)
}

func lengthAttacks() []attack {
	return []attack{{
		name: "endless body",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(truth); err != nil {
					return
				}
			}
		},
		wantErr: fetch.ErrTooLarge, wantRequests: 1, wantHeld: limitBytes,
	}, {
		name:      "larger than allowed",
		heldBytes: 1000,
		answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(limitBytes+1))
			_, _ = io.WriteString(w, secret)
		},
		wantErr: fetch.ErrTooLarge, wantRequests: 1, wantHeld: 1000,
	}, {
		name: "Content-Length too large",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(c net.Conn) {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n%s", truth[:1000])
			})
		},
		wantErr: fetch.ErrServer, wantRequests: 5, wantHeld: 1000,
	}, {
		// HTTP ends the body where the header says; what follows is lost.
		name: "Content-Length too small",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(c net.Conn) {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n%s", truth[:1000])
			})
		},
		wantErr: nil, wantRequests: 1, wantHeld: 500,
	}, {
		name: "two Content-Lengths",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(c net.Conn) {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nContent-Length: 1000\r\n\r\n%s", truth[:1000])
			})
		},
		wantErr: fetch.ErrServer, wantRequests: 1,
	}, {
		name: "no body at all, every time",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(net.Conn) {})
		},
		wantErr: fetch.ErrNetwork, wantRequests: 5,
	}, {
		name: "broken chunks",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz"+secret+"\r\n")
			})
		},
		wantErr: fetch.ErrServer, wantRequests: 1,
	}, {
		// Without a length only the missing last chunk tells.
		name: "chunks cut short",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(c net.Conn) {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n%s\r\n", truth[:1000])
			})
		},
		wantErr: fetch.ErrServer, wantRequests: 5, wantHeld: 1000,
	}, {
		name: "gzip bomb",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 8<<20))
			_ = z.Close()
		},
		wantErr: fetch.ErrServer, wantRequests: 1,
	}}
}

// truth is the file the attacks are about.
var truth = image(10_000, 42)

// partialContent answers with a Content-Range of the attack's own and size bytes.
func partialContent(size int, contentRange ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Range"] = contentRange
		w.Header().Set("ETag", oldTag)
		w.Header().Set("Content-Length", fmt.Sprint(size))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(bytes.Repeat([]byte{'x'}, size))
	}
}

func rangeAttacks() []attack {
	list := []attack{
		{name: "206 to no range", answer: partialContent(10_000, "bytes 0-9999/10000"), wantErr: fetch.ErrServer, wantRequests: 1},
		{name: "416 to no range", answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) }, wantErr: fetch.ErrServer, wantRequests: 1},
		{name: "416 to everything", heldBytes: 4000, answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) }, wantErr: fetch.ErrServer, wantRequests: 2},
		{name: "416 to every range", heldBytes: 4000, answer: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
			archive(&cutter{w, 3000}, r, oldTag, truth)
		}, wantErr: fetch.ErrServer, wantRequests: 3, wantHeld: 3000},
		{name: "206 shorter than its range", heldBytes: 4000, answer: func(w http.ResponseWriter, r *http.Request) {
			var from int
			_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-9999/10000", from))
			w.WriteHeader(http.StatusPartialContent)
			_ = http.NewResponseController(w).Flush() // chunked from here on
			_, _ = w.Write(truth[from : from+1500])
		}, wantErr: nil, wantRequests: 4, wantHeld: 10_000},
		{name: "206 of more than allowed", heldBytes: 4000, answer: partialContent(limitBytes-3999, fmt.Sprintf("bytes 4000-%d/%d", limitBytes, limitBytes+1)), wantErr: fetch.ErrTooLarge, wantRequests: 1, wantHeld: 4000},
		{name: "206 longer than its range", heldBytes: 4000, answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 4000-4099/4100")
			w.WriteHeader(http.StatusPartialContent)
			_ = http.NewResponseController(w).Flush() // chunked from here on
			_, _ = w.Write(truth[4000:4101])
		}, wantErr: fetch.ErrServer, wantRequests: 1, wantHeld: 4100},
		{name: "other total after a cut", answer: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				partialContent(6001, "bytes 4000-10000/10001")(w, r)
				return
			}
			archive(&cutter{w, 4000}, r, oldTag, truth)
		}, wantErr: fetch.ErrServer, wantRequests: 2},
		{name: "always cut, never continued", answer: func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			archive(&cutter{w, 4000}, r, oldTag, truth)
		}, wantErr: fetch.ErrServer, wantRequests: 5, wantHeld: 4000},
		{name: "another tag each time", answer: func(w http.ResponseWriter, r *http.Request) {
			tag := fmt.Sprintf("%q", time.Now().Format(time.RFC3339Nano))
			archive(&cutter{w, 4000}, r, tag, truth)
		}, wantErr: fetch.ErrServer, wantRequests: 5, wantHeld: 4000},
	}
	wrong := []struct {
		name   string
		size   int
		ranges []string
	}{
		{"without Content-Range", 6000, nil},
		{"with two Content-Ranges", 6000, []string{"bytes 4000-9999/10000", "bytes 4000-9999/10000"}},
		{"from zero", 10_000, []string{"bytes 0-9999/10000"}},
		{"from one byte before", 6001, []string{"bytes 3999-9999/10000"}},
		{"from one byte behind", 5999, []string{"bytes 4001-9999/10000"}},
		{"not to the end", 5999, []string{"bytes 4000-9998/10000"}},
		{"beyond the end", 6000, []string{"bytes 4000-9999/9999"}},
		{"of unknown total", 6000, []string{"bytes 4000-9999/*"}},
		{"unsatisfied", 6000, []string{"bytes */10000"}},
		{"of another length than its body", 5000, []string{"bytes 4000-9999/10000"}},
		{"in other units", 6000, []string{"lines 4000-9999/10000"}},
		{"negative", 6000, []string{"bytes -4000-9999/10000"}},
		{"beyond int64", 6000, []string{"bytes 4000-99999999999999999998/99999999999999999999"}},
		{"with text", 6000, []string{"bytes 4000-9999/10000 " + strings.Repeat("; all is well", 100)}},
	}
	for _, w := range wrong {
		list = append(list, attack{name: "206 " + w.name, heldBytes: 4000, answer: partialContent(w.size, w.ranges...), wantErr: fetch.ErrServer, wantRequests: 1})
	}
	return list
}

func slowAttacks() []attack {
	stallSoon := func(l *fetch.Limits) { l.StallWindow, l.StallTotal = 80*time.Millisecond, 200*time.Millisecond }
	headerSoon := func(l *fetch.Limits) { l.HeaderTimeout, l.Attempts = 500*time.Millisecond, 2 }
	return []attack{{
		name: "a byte now and then",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(truth)))
			for i := range truth {
				if _, err := w.Write(truth[i : i+1]); err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		},
		limits: stallSoon, wantErr: fetch.ErrTooSlow, wantHeld: -1,
	}, {
		name: "a header that never ends",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(c net.Conn) {
				_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
				for i := 0; err == nil; i++ {
					time.Sleep(10 * time.Millisecond)
					_, err = fmt.Fprintf(c, "X-%d: %s\r\n", i, secret)
				}
			})
		},
		limits:  headerSoon,
		wantErr: fetch.ErrTooSlow, wantRequests: 2,
	}, {
		name: "no answer",
		answer: func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		},
		limits:  headerSoon,
		wantErr: fetch.ErrTooSlow, wantRequests: 2,
	}, {
		name: "informational answers without end",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(c net.Conn) {
				for {
					if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: "+secret+"\r\n\r\n"); err != nil {
						return
					}
				}
			})
		},
		wantErr: fetch.ErrServer, wantRequests: 1,
	}}
}

func headerAttacks() []attack {
	list := []attack{{
		name: "header flood",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(c net.Conn) {
				_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
				for i := 0; err == nil; i++ {
					_, err = fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("x", 1000))
				}
			})
		},
		wantErr: fetch.ErrServer, wantRequests: 1,
	}, {
		name: "not HTTP",
		answer: func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(c net.Conn) { _, _ = io.WriteString(c, strings.Repeat("\x1b]0;owned\a", 100)+"\n\n") })
		},
		wantErr: fetch.ErrServer, wantRequests: 1,
	}}
	requests := map[int]int{
		201: 1, 204: 1, 301: 1, 302: 1, 304: 1, 307: 1, 400: 1, 403: 1, 404: 1, 410: 1, 501: 1, 999: 1,
		408: 5, 429: 5, 500: 5, 502: 5, 503: 5, 504: 5,
	}
	for code, n := range requests {
		list = append(list, attack{
			name:      fmt.Sprint("status ", code),
			heldBytes: 4000,
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(code)
				_, _ = io.WriteString(w, secret)
			},
			wantErr: fetch.ErrServer, wantRequests: n, wantHeld: 4000,
		})
	}
	return list
}
