// SPDX-License-Identifier: LGPL-2.1-or-later

package tlsserver

import (
	"net/http"
	"strings"
	"sync/atomic"
)

// StuckOnce serves files, but of the first body it is asked for whose path
// has the suffix it sends only so many bytes, and then nothing until the
// client hangs up.
func StuckOnce(files http.Handler, suffix string, bodyBytes int) http.Handler {
	var done atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, suffix) && done.CompareAndSwap(false, true) {
			w = &stuck{w, bodyBytes, r.Context().Done()}
		}
		files.ServeHTTP(w, r)
	})
}

type stuck struct {
	http.ResponseWriter
	leftBytes int
	gone      <-chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p[:min(len(p), s.leftBytes)])
	s.leftBytes -= n
	if err != nil || s.leftBytes > 0 {
		return n, err
	}
	if err := http.NewResponseController(s.ResponseWriter).Flush(); err != nil {
		return n, err
	}
	<-s.gone
	panic(http.ErrAbortHandler)
}
