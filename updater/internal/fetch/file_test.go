// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/clipos/updater/updater/internal/fetch"
)

const (
	oldTag = `"old"`
	newTag = `"new"`
)

func TestFileWhole(t *testing.T) {
	want := image(1<<20+7, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { archive(w, r, oldTag, want) })
	dst := &file{t: t}
	var done, total int64
	s.leavesNothing(t, func() {
		err := s.client(quick()).File(t.Context(), s.URL+"/core", dst, int64(len(want)), func(d, n int64) { done, total = d, n })
		if err != nil {
			t.Fatal(err)
		}
	})
	dst.holds(want)
	if done != int64(len(want)) || total != done {
		t.Errorf("last progress %d of %d, want %d of it", done, total, len(want))
	}
	if dst.Validator() != oldTag {
		t.Errorf("validator %q, want %q", dst.Validator(), oldTag)
	}
	r := s.asked()[0]
	for name := range identity {
		if r.Header.Get(name) != identity.Get(name) {
			t.Errorf("header %s: %q, want %q", name, r.Header.Get(name), identity.Get(name))
		}
	}
	if r.Proto != "HTTP/1.1" || r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("Range") != "" {
		t.Errorf("asked with %s and %v", r.Proto, r.Header)
	}
}

// TestFileCut breaks the connection at random places, in the header's place too.
func TestFileCut(t *testing.T) {
	want := image(300_000, 2)
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				archive(&cutter{w, 1 + random.IntN(60_000)}, r, oldTag, want)
			})
			dst := &file{t: t}
			if err := s.client(quick()).File(t.Context(), s.URL, dst, int64(len(want)), nil); err != nil {
				t.Fatal(err)
			}
			dst.holds(want)
			for _, r := range s.asked()[1:] {
				if r.Header.Get("If-Range") != oldTag {
					t.Errorf("continued with If-Range %q", r.Header.Get("If-Range"))
				}
			}
		})
	}
}

// TestFileResume begins with a Partial that an earlier run has left.
func TestFileResume(t *testing.T) {
	want, other := image(10_000, 3), image(10_000, 4)
	date := modified.Format(http.TimeFormat)
	serveWant := func(etag string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { archive(w, r, etag, want) }
	}
	tests := []struct {
		name      string
		held      []byte
		validator string
		handler   http.HandlerFunc
		ranges    []string // of the requests
		keeps     []bool   // of Begin
	}{
		{"continued by tag", want[:4000], oldTag, serveWant(oldTag), []string{"bytes=4000-"}, []bool{true}},
		{"continued by date", want[:4000], date, serveWant(""), []string{"bytes=4000-"}, []bool{true}},
		{"one byte missing", want[:9999], oldTag, serveWant(oldTag), []string{"bytes=9999-"}, []bool{true}},
		{"whole already", want, oldTag, serveWant(oldTag), []string{"bytes=10000-"}, nil},
		{"without validator", other[:4000], "", serveWant(oldTag), []string{""}, []bool{false}},
		{"damaged validator", other[:4000], "\x00\"old", serveWant(oldTag), []string{""}, []bool{false}},
		{"longer than allowed", image(10_001, 4), oldTag, serveWant(oldTag), []string{""}, []bool{false}},
		{"file changed", other[:4000], oldTag, serveWant(newTag), []string{"bytes=4000-"}, []bool{false}},
		{"file changed, If-Range ignored", other[:4000], oldTag, func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Range")
			archive(w, r, newTag, want)
		}, []string{"bytes=4000-", ""}, []bool{false, false}},
		{"now only a weak tag", other[:4000], oldTag, func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Range")
			archive(w, r, "W/"+oldTag, want)
		}, []string{"bytes=4000-", ""}, []bool{false, false}},
		{"no ranges", other[:4000], oldTag, func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			archive(w, r, oldTag, want)
		}, []string{"bytes=4000-"}, []bool{false}},
		{"416 once", other[:4000], oldTag, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
			archive(w, r, oldTag, want)
		}, []string{"bytes=4000-", ""}, []bool{false, false}},
		{"416 of a shorter file", other[:4000], oldTag, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", "bytes */3999")
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
			archive(w, r, oldTag, want)
		}, []string{"bytes=4000-", ""}, []bool{false, false}},
		{"416 of our length with another tag", other[:4000], oldTag, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.Header().Set("ETag", newTag)
				w.Header().Set("Content-Range", "bytes */4000")
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
			archive(w, r, oldTag, want)
		}, []string{"bytes=4000-", ""}, []bool{false, false}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, test.handler)
			dst := &file{t: t, data: bytes.Clone(test.held), validator: test.validator}
			if err := s.client(quick()).File(t.Context(), s.URL, dst, int64(len(want)), nil); err != nil {
				t.Fatal(err)
			}
			dst.holds(want)
			if got := askedRanges(s); fmt.Sprint(got) != fmt.Sprint(test.ranges) {
				t.Errorf("asked for ranges %q, want %q", got, test.ranges)
			}
			if fmt.Sprint(dst.keeps) != fmt.Sprint(test.keeps) {
				t.Errorf("Begin with keep %v, want %v", dst.keeps, test.keeps)
			}
		})
	}
}

func askedRanges(s *server) []string {
	var ranges []string
	for _, r := range s.asked() {
		ranges = append(ranges, r.Header.Get("Range"))
	}
	return ranges
}

// TestFileChangesBetween replaces the file while the connection is down.
func TestFileChangesBetween(t *testing.T) {
	before, after := image(50_000, 5), image(40_000, 6)
	var s *server
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if len(s.asked()) == 1 {
			archive(&cutter{w, 20_000}, r, oldTag, before)
		} else {
			archive(w, r, newTag, after)
		}
	})
	dst := &file{t: t}
	if err := s.client(quick()).File(t.Context(), s.URL, dst, 50_000, nil); err != nil {
		t.Fatal(err)
	}
	dst.holds(after)
	if dst.Validator() != newTag {
		t.Errorf("validator %q, want %q", dst.Validator(), newTag)
	}
	if got := askedRanges(s); len(got) != 2 || got[1] != "bytes=20000-" {
		t.Errorf("asked for ranges %q", got)
	}
}

// TestFileStoppedAndContinued ends one call in the middle and makes another.
func TestFileStoppedAndContinued(t *testing.T) {
	want := image(50_000, 7)
	down := true
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Range") == "":
			archive(&cutter{w, 30_000}, r, oldTag, want)
		case down:
			w.WriteHeader(http.StatusNotFound)
		default:
			archive(w, r, oldTag, want)
		}
	})
	client, dst := s.client(quick()), &file{t: t}
	if err := client.File(t.Context(), s.URL, dst, 50_000, nil); !errors.Is(err, fetch.ErrServer) {
		t.Fatalf("error %v, want %v", err, fetch.ErrServer)
	}
	dst.holds(want[:30_000])
	down = false
	if err := client.File(t.Context(), s.URL, dst, 50_000, nil); err != nil {
		t.Fatal(err)
	}
	dst.holds(want)
}

// TestFileUnknownLength has a body that ends where it ends.
func TestFileUnknownLength(t *testing.T) {
	want := image(30_000, 8)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(want[:10_000])
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(want[10_000:])
	})
	client, exact, short := s.client(quick()), &file{t: t}, &file{t: t}
	if err := client.File(t.Context(), s.URL, exact, 30_000, nil); err != nil {
		t.Fatal(err)
	}
	exact.holds(want)
	err := client.File(t.Context(), s.URL, short, 29_999, nil)
	tooLarge, ok := errors.AsType[*fetch.TooLargeError](err)
	if !ok || !errors.Is(err, fetch.ErrTooLarge) || *tooLarge != (fetch.TooLargeError{DeclaredBytes: -1, LimitBytes: 29_999}) {
		t.Errorf("error %v for one byte too many", err)
	}
	short.holds(want[:29_999])
}

func TestFileDestinationFails(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { archive(w, r, oldTag, image(50_000, 9)) })
	dst := &file{t: t, writeErr: errDisk}
	s.leavesNothing(t, func() {
		if err := s.client(quick()).File(t.Context(), s.URL, dst, 50_000, nil); !errors.Is(err, errDisk) {
			t.Errorf("error %v, want %v", err, errDisk)
		}
	})
	if n := len(s.asked()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestDocument(t *testing.T) {
	cuts := 2
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if cuts--; cuts >= 0 {
			archive(&cutter{w, 7}, r, oldTag, []byte("version = \"5.0.1\"\n"))
			return
		}
		archive(w, r, oldTag, []byte("version = \"5.0.1\"\n"))
	})
	client := s.client(quick())
	got, err := client.Document(t.Context(), s.URL+"/version", 4096)
	if err != nil || string(got) != "version = \"5.0.1\"\n" {
		t.Errorf("document %q, %v", got, err)
	}
	if _, err := client.Document(t.Context(), s.URL+"/version", 17); !errors.Is(err, fetch.ErrTooLarge) {
		t.Errorf("error %v, want %v", err, fetch.ErrTooLarge)
	}
}

func TestSize(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    int64
		wantErr error
	}{
		{"declared", func(w http.ResponseWriter, r *http.Request) { archive(w, r, "", image(5000, 1)) }, 5000, nil},
		{"not declared", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Transfer-Encoding", "chunked") }, -1, nil},
		{"missing", http.NotFound, -1, fetch.ErrServer},
		{"encoded", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Length", "10")
		}, -1, fetch.ErrServer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, test.handler)
			got, err := s.client(quick()).Size(t.Context(), s.URL)
			if got != test.want || !errors.Is(err, test.wantErr) {
				t.Errorf("size %d, %v, want %d, %v", got, err, test.want, test.wantErr)
			}
			if r := s.asked()[0]; len(s.asked()) != 1 || r.Method != http.MethodHead {
				t.Errorf("%d requests, first %s", len(s.asked()), r.Method)
			}
		})
	}
}
