// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/test/tlsserver"
)

// answers is how a server says that a file is missing, and that it does not
// know HEAD, 0 when it does.
type answers struct{ missing, head int }

func (a answers) String() string { return fmt.Sprintf("missing %d, HEAD %d", a.missing, a.head) }

// answeredWith serves the web root in another server's manner.
func (s *system) answeredWith(a answers) *tlsserver.Server {
	files := tlsserver.Files(s.webroot)
	return s.servedBy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := os.Stat(filepath.Join(s.webroot, r.URL.Path))
		switch {
		case r.Method == http.MethodHead && a.head != 0:
			w.WriteHeader(a.head)
		case err != nil:
			w.WriteHeader(a.missing)
		default:
			files.ServeHTTP(w, r)
		}
	}))
}

// What a release does not have is missing in whichever words the server says it,
// and what it has is there whether or not the server tells its size: Plan, Check
// and Update say and do the same, and without a word of complaint.
func TestAbsentForms(t *testing.T) {
	both := []Method{MethodPatch, MethodZstd}
	for _, a := range []answers{{404, 0}, {410, 0}, {403, 0}, {404, 405}, {403, 405}, {403, 403}, {404, 501}} {
		for name, c := range map[string]struct {
			published  []Method
			want       Method
			signatures []string // that are asked for where sizes are not known
		}{
			"all":        {both, MethodPatch, []string{patchName + ".sig", zstdName + ".sig"}},
			"compressed": {both[1:], MethodZstd, []string{zstdName + ".sig"}},
			"plain":      {nil, MethodPlain, nil},
		} {
			t.Run(name+", "+a.String(), func(t *testing.T) {
				s := newSystem(t, alpha1)
				s.publishes(c.published...)
				server := s.answeredWith(a)
				file := map[Method]string{MethodPatch: patchName, MethodZstd: zstdName, MethodPlain: "core"}[c.want]
				bytes := int64(len(s.served("efiboot")) + len(s.served(file)))
				declared := bytes
				want := append(slices.Clone(c.signatures), "efiboot", file)
				if a.head != 0 {
					declared = 0
				} else if c.want != MethodPlain {
					want = []string{file + ".sig", "efiboot", file}
				}
				if p := s.plan(); p.Method != c.want || p.DownloadBytes != declared {
					t.Errorf("planned %q with %d bytes, want %q with %d", p.Method, p.DownloadBytes, c.want, declared)
				}
				if got := s.checks().DownloadBytes; got != declared {
					t.Errorf("checked: %d bytes, want %d", got, declared)
				}
				before := len(gets(server))
				out, err := s.outcome(Request{})
				if err != nil || len(out.Notes) != 1 || out.FetchedBytes != bytes {
					t.Fatalf("%v, %d bytes fetched, want %d, notes %q", err, out.FetchedBytes, bytes, out.Notes)
				}
				s.installed(alpha1, alpha3)
				if got := gets(server)[before:]; !slices.Equal(got, want) {
					t.Errorf("fetched %q, want %q", got, want)
				}
			})
		}
	}
}

func (s *system) checks() Check {
	s.t.Helper()
	u := s.open()
	defer u.Close()
	c, err := u.Check(s.t.Context())
	must(s.t, err)
	return c
}

// Of a file that must be there, "forbidden" is an error, which says so.
func TestForbiddenPayload(t *testing.T) {
	for _, name := range []string{"core", "core.sig", "efiboot", "efiboot.sig"} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha1)
			s.has(alpha0)
			must(t, os.Remove(filepath.Join(s.webroot, "dist", alpha3, "clipos-"+name)))
			s.answeredWith(answers{missing: http.StatusForbidden})
			before := s.disk()
			_, err := s.outcome(Request{Version: alpha3})
			if !errors.Is(err, ErrServer) || errors.Is(err, ErrUnknownVersion) || !strings.Contains(err.Error(), "clipos-"+name+`": server error: status 403`) {
				t.Errorf("error %v", err)
			}
			s.sameDisk(before)
		})
	}
}

// A form whose signature is there and not it itself is passed over, and that is
// said.
func TestSignedFormMissing(t *testing.T) {
	s := newSystem(t, alpha1)
	s.publishes(MethodPatch, MethodZstd)
	must(t, os.Remove(s.newest().PatchFile(alpha1)))
	s.answeredWith(answers{http.StatusForbidden, http.StatusMethodNotAllowed})
	out, err := s.outcome(Request{})
	if err != nil || len(out.Notes) != 2 || !strings.Contains(out.Notes[0], "status 403") || !strings.Contains(out.Notes[0], "core.zst is used instead") {
		t.Errorf("%v, notes %q", err, out.Notes)
	}
	s.installed(alpha1, alpha3)
}

// A server that cannot answer for a form is not believed to lack it: the form is
// not used, and that is said.
func TestFormRefusedOtherwise(t *testing.T) {
	s := newSystem(t, alpha1)
	s.publishes(MethodZstd)
	s.answeredWith(answers{http.StatusTeapot, 0})
	if p := s.plan(); p.Method != MethodZstd {
		t.Errorf("planned %+v", p)
	}
	out, err := s.outcome(Request{})
	if err != nil || len(out.Notes) != 2 || !strings.Contains(out.Notes[0], patchName+" is not used: signature: ") || !strings.Contains(out.Notes[0], "status 418") {
		t.Errorf("%v, notes %q", err, out.Notes)
	}
	s.installed(alpha1, alpha3)
}
