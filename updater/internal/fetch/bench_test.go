// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"net/http"
	"testing"

	"github.com/clipos/updater/updater/internal/fetch"
)

// sink takes bytes and forgets them: what is measured is the way to it.
type sink struct{ n int64 }

func (s *sink) Len() int64                  { return s.n }
func (s *sink) Validator() string           { return "" }
func (s *sink) Begin(string, bool) error    { s.n = 0; return nil }
func (s *sink) Write(p []byte) (int, error) { s.n += int64(len(p)); return len(p), nil }

const benchBytes = 256 << 20

// BenchmarkFile shares its processors with the server.
func BenchmarkFile(b *testing.B) {
	block := image(1<<20, 1)
	s := serve(b, func(w http.ResponseWriter, _ *http.Request) {
		for range benchBytes / len(block) {
			_, _ = w.Write(block)
		}
	})
	client := s.client(fetch.DefaultLimits())
	b.SetBytes(benchBytes)
	for b.Loop() {
		if err := client.File(b.Context(), s.URL+"/core", &sink{}, benchBytes, nil); err != nil {
			b.Fatal(err)
		}
	}
}
