// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/clipos/updater/test/tlsserver"
)

// servedBy puts another handler in the place of the machine's server.
func (s *system) servedBy(handler http.Handler) *tlsserver.Server {
	s.t.Helper()
	server, err := tlsserver.Start(s.t.Context(), tlsserver.Options{Handler: handler})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := server.Close(); err != nil {
			s.t.Error(err)
		}
	})
	s.write("/etc/updater/remote.toml", fmt.Sprintf("update_url = %q\ndist_url = %q\n", server.URL+"/update/v1", server.URL+"/dist"))
	s.write("/etc/updater/rootca.pem", string(server.AuthorityPEM))
	return server
}

// A download that was interrupted with the program goes on where it was.
func TestResume(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	size := len(s.payload("5.0.0-alpha.3", kindCore))
	server := s.servedBy(tlsserver.StuckOnce(tlsserver.Files(s.webroot), "-core", size/2))
	before := s.disk()

	u := s.open()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := u.Update(ctx, Request{Report: func(st Status) {
		if st.Stage == StageFetching && st.BytesDone >= int64(size/2) {
			cancel()
		}
	}})
	if !errors.Is(err, ErrCancelled) {
		t.Fatalf("error %v, want %v", err, ErrCancelled)
	}
	u.Close()
	s.sameDisk(before)

	if err := s.update(); err != nil {
		t.Fatal(err)
	}
	s.installed("5.0.0-alpha.1", "5.0.0-alpha.3")
	requests := server.Requests()
	last := requests[len(requests)-1]
	if want := fmt.Sprintf("bytes=%d-", size/2); last.Header.Get("Range") != want || last.Header.Get("If-Range") == "" || last.BodyBytes != int64(size-size/2) {
		t.Errorf("asked with Range %q, If-Range %q for %d bytes, want %s", last.Header.Get("Range"), last.Header.Get("If-Range"), last.BodyBytes, want)
	}
	for _, r := range requests {
		if strings.HasSuffix(r.Path, "-efiboot") && r.Method == http.MethodGet && r.Header.Get("Range") != "" {
			t.Error("efiboot, complete already, was asked for again")
		}
	}
}

// What is in the cache is not believed: a complete payload that was changed
// is fetched again.
func TestChangedCacheIsFetchedAgain(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	core := s.payload("5.0.0-alpha.3", kindCore)
	for name, cached := range map[string][]byte{
		"changed":  flipBit(1000)(append([]byte(nil), core...)),
		"too long": append(append([]byte(nil), core...), "more"...),
		"half of another file, with this one's validator": make([]byte, len(core)/2),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			if err := os.MkdirAll(s.paths.State+"/cache", 0o700); err != nil {
				t.Fatal(err)
			}
			for file, data := range map[string]string{
				"5.0.0-alpha.3-core":           string(cached),
				"5.0.0-alpha.3-core.validator": s.validator(),
			} {
				if err := os.WriteFile(s.paths.State+"/cache/"+file, []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.update(); err != nil {
				t.Fatal(err)
			}
			s.installed("5.0.0-alpha.1", "5.0.0-alpha.3")
		})
	}
}

// validator is what the server calls core.
func (s *system) validator() string {
	s.t.Helper()
	w := &header{http.Header{}}
	r, err := http.NewRequest(http.MethodHead, "/"+dist3+"core", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	tlsserver.Files(s.webroot).ServeHTTP(w, r)
	if w.Header().Get("ETag") == "" {
		s.t.Fatal("the server gives no entity tag")
	}
	return w.Header().Get("ETag")
}

type header struct{ h http.Header }

func (h *header) Header() http.Header         { return h.h }
func (h *header) Write(p []byte) (int, error) { return len(p), nil }
func (h *header) WriteHeader(int)             {}

// Another release's payloads do not stay in the cache.
func TestCacheIsTidied(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	if err := os.MkdirAll(s.paths.State+"/cache", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.paths.State+"/cache/5.0.0-alpha.2-core", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
	if left := names(t, s.paths.State+"/cache"); len(left) > 0 {
		t.Errorf("cache still has %q", left)
	}
}

// Cancelled at the beginning of each stage, an update ends with ErrCancelled,
// unless the final swap has begun, which finishes. Either way the next run
// ends well.
func TestCancelInEachStage(t *testing.T) {
	for i, sh := range shares {
		t.Run(strconv.Itoa(i)+" "+string(sh.stage), func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			s.has("5.0.0-alpha.0")
			before := s.disk()
			u := s.open()
			ctx, cancel := context.WithCancel(t.Context())
			_, err := u.Update(ctx, Request{Report: func(st Status) {
				if st.Stage == sh.stage {
					cancel()
				}
			}})
			u.Close()
			switch sh.stage {
			case StageDone:
				if err != nil {
					t.Fatal(err)
				}
			default:
				if !errors.Is(err, ErrCancelled) {
					t.Fatalf("error %v, want %v", err, ErrCancelled)
				}
				if s.hasMarker() {
					t.Error("there is a marker")
				}
			}
			if sh.stage == StageChecking || sh.stage == StageFetching || sh.stage == StageVerifying {
				s.sameDisk(before)
			}
			for _, file := range names(t, s.paths.At("/mnt/efiboot/EFI/Linux")) {
				if strings.HasSuffix(file, ".new") {
					t.Errorf("%s is left over", file)
				}
			}
			if err := s.update(); err != nil && !errors.Is(err, ErrNoUpdate) {
				t.Fatal(err)
			}
			s.installed("5.0.0-alpha.1", "5.0.0-alpha.3")
		})
	}
}

// Start-up removes what an interrupted run left, and nothing else.
func TestRecover(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.has("5.0.0-alpha.0")
	linux := "/mnt/efiboot/EFI/Linux/"
	half := string(s.payload("5.0.0-alpha.2", kindEFIBoot)[:50000])
	s.hasVolume("5.0.0-alpha.2")
	s.write(linux+"clipos-5.0.0-alpha.3.efi.new", "half")
	s.write(linux+"clipos-5.0.0-alpha.3+3.efi", "")
	s.write(linux+"clipos-5.0.0-alpha.2.efi", half)
	s.write(linux+"clipos-5.0.0-alpha.9.efi", "not an EFI binary: somebody else's")
	s.write(linux+"debian.efi.new", "foreign")
	s.write(linux+"other-5.0.0.efi", "")
	s.write(markerFile, "")
	u := s.open()
	defer u.Close()
	r, err := u.Recover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "clipos-5.0.0-alpha.0.efi clipos-5.0.0-alpha.1.efi clipos-5.0.0-alpha.9.efi debian.efi.new other-5.0.0.efi"
	if got := strings.Join(names(t, s.paths.At(linux)), " "); got != want {
		t.Errorf("entries %s, want %s", got, want)
	}
	if len(r.Notes) != 3 {
		t.Errorf("notes %q", r.Notes)
	}
	if s.hasMarker() {
		t.Error("the marker is still there")
	}
	states := ""
	for _, i := range r.Installed {
		states += fmt.Sprintf("%s %s; ", i.Version, i.State)
	}
	if want := "5.0.0-alpha.9 incomplete; 5.0.0-alpha.2 incomplete; 5.0.0-alpha.1 running; 5.0.0-alpha.0 fallback; "; states != want {
		t.Errorf("installed %s, want %s", states, want)
	}
}
