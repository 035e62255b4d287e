// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/clipos/updater/test/tlsserver"
)

// outage lets the network fail for a file of the newest release once it has
// sent so many bytes of it: every request for it is answered by fail.
func (s *system) outage(method, name string, afterBytes int, fail http.HandlerFunc) *tlsserver.Server {
	files := tlsserver.Files(s.webroot)
	var left atomic.Int64
	left.Store(int64(afterBytes))
	return s.servedBy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != method || !strings.HasSuffix(r.URL.Path, "clipos-"+name):
			files.ServeHTTP(w, r)
		case left.Load() > 0:
			files.ServeHTTP(&limited{w, &left}, r)
		default:
			fail(w, r)
		}
	}))
}

func broken(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// coreBodies are the files asked for that the core image could come from.
func coreBodies(server *tlsserver.Server) []string {
	var names []string
	for _, r := range server.Requests() {
		name, ok := strings.CutPrefix(r.Path, "/dist/"+alpha3+"/clipos-core")
		if ok && r.Method == http.MethodGet && !strings.HasSuffix(name, ".sig") {
			names = append(names, "core"+name)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// A network that fails says nothing about a form: the update ends, what was
// fetched stays, and the next run goes on in the same form. No other form is
// asked for, so that the time without progress is that of one file.
func TestOutage(t *testing.T) {
	for name, c := range map[string]struct {
		first     Method // the form that comes first
		method    string
		file      string // which the network fails for
		half      bool   // of it is fetched before
		fail      http.HandlerFunc
		want      error
		coreFiles []string // asked for during the outage
	}{
		"patch, broken":                {MethodPatch, "GET", patchName, true, broken, ErrNetworkUnavailable, []string{patchName}},
		"patch, broken at once":        {MethodPatch, "GET", patchName, false, broken, ErrNetworkUnavailable, []string{patchName}},
		"patch, silent":                {MethodPatch, "GET", patchName, true, silent, ErrTooSlow, []string{patchName}},
		"patch, its size":              {MethodPatch, "HEAD", patchName, false, broken, ErrNetworkUnavailable, nil},
		"patch, its signature":         {MethodPatch, "GET", patchName + ".sig", false, broken, ErrNetworkUnavailable, nil},
		"compressed, broken":           {MethodZstd, "GET", zstdName, true, broken, ErrNetworkUnavailable, []string{zstdName}},
		"compressed, silent, no bytes": {MethodZstd, "GET", zstdName, false, silent, ErrTooSlow, []string{zstdName}},
		"plain, broken":                {MethodPlain, "GET", "core", true, broken, ErrNetworkUnavailable, []string{"core"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha1)
			s.has(alpha0)
			s.publishes(c.first)
			if c.first == MethodPatch {
				s.publishes(MethodZstd)
			}
			half := 0
			if c.half {
				half = len(s.served(c.file)) / 2
			}
			server := s.outage(c.method, c.file, half, c.fail)
			before := s.disk()
			if _, err := s.outcome(Request{}); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			s.sameDisk(before)
			if got := coreBodies(server); !slices.Equal(got, c.coreFiles) {
				t.Errorf("asked for %q, want %q", got, c.coreFiles)
			}
			s.resumes(c.file, half)
		})
	}
}

// resumes asserts that the next run fetches the rest of a file, in whose cache
// there is so much, and installs the release.
func (s *system) resumes(name string, haveBytes int) {
	s.t.Helper()
	if haveBytes > 0 {
		info, err := os.Stat(filepath.Join(s.paths.State, "cache", alpha3+"-"+name))
		if err != nil || info.Size() != int64(haveBytes) {
			s.t.Fatalf("%v, %v, want %d bytes in the cache", info, err, haveBytes)
		}
	}
	server := s.servedBy(tlsserver.Files(s.webroot))
	out, err := s.outcome(Request{})
	must(s.t, err)
	s.isWhole(alpha3, "clipos-"+alpha3+".efi")
	want := strings.TrimSuffix(name, ".sig")
	if got := coreBodies(server); !slices.Equal(got, []string{want}) {
		s.t.Errorf("asked for %q, want %q", got, want)
	}
	if rest := int64(len(s.served(name)) - haveBytes); haveBytes > 0 && out.FetchedBytes != rest {
		s.t.Errorf("%d bytes fetched, want %d", out.FetchedBytes, rest)
	}
}
