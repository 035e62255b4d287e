// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/clipos/updater/test/tlsserver"
)

// breaks has the server break off the connection of every request for a file.
func breaks(suffix string) func(*system) {
	return func(s *system) {
		files := tlsserver.Files(s.webroot)
		s.servedBy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, suffix) {
				panic(http.ErrAbortHandler)
			}
			files.ServeHTTP(w, r)
		}))
	}
}

// What a check leaves for the schedule: a server whose answer cannot be had or
// verified is asked again after longer and longer waits, and in the end the
// machine is stale. What this machine makes of an answer is no failure.
func TestCheckIsRecorded(t *testing.T) {
	for name, c := range map[string]struct {
		steps    []func(*system)
		err      error
		verified bool
	}{
		"an offer":                    {nil, nil, true},
		"no server":                   {[]func(*system){breaks("/version")}, ErrNetworkUnavailable, false},
		"no document":                 {[]func(*system){onServer("update/v1/clipos/version", content("="))}, ErrInvalidVersion, false},
		"no signatures":               {[]func(*system){breaks(".sig")}, ErrNetworkUnavailable, false},
		"a signature that is none":    {[]func(*system){onServer(dist3+"core.sig", content("garbage"))}, ErrSignatureInvalid, false},
		"a release that is not there": {[]func(*system){without(dist3+"core", dist3+"core.sig", dist3+"efiboot", dist3+"efiboot.sig")}, ErrServer, false},
		"no sizes":                    {[]func(*system){breaks("/clipos-efiboot")}, ErrNetworkUnavailable, false},
		"nothing new":                 {[]func(*system){func(s *system) { s.runs(alpha4) }}, nil, true},
		"downgrade":                   {[]func(*system){good(alpha4)}, ErrDowngrade, true},
		"did not come up":             {[]func(*system){failed(alpha3)}, nil, true},
		"volume too small":            {[]func(*system){func(s *system) { s.has("5.0.0-alpha.0"); s.truncate("5.0.0-alpha.0", 4096) }}, ErrVolumeTooSmall, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha1)
			all(c.steps...)(s)
			u := s.open()
			defer u.Close()
			for failures := 1; failures <= 3; failures++ {
				if _, err := u.Check(t.Context()); !errors.Is(err, c.err) {
					t.Fatalf("error %v, want %v", err, c.err)
				}
				r := u.Record()
				want := failures
				if c.verified {
					want = 0
				}
				if r.FailedChecks != want || r.LastSuccess.Equal(r.LastCheck) != c.verified || r.LastCheck.IsZero() {
					t.Errorf("check %d: %d failed, last success %s, last check %s", failures, r.FailedChecks, r.LastSuccess, r.LastCheck)
				}
			}
		})
	}
}

func (s *system) truncate(version string, sizeBytes int64) {
	s.t.Helper()
	if err := os.Truncate(s.paths.At("/volumes/core_"+version), sizeBytes); err != nil {
		s.t.Fatal(err)
	}
}

// good and failed have the record say that of a version.
func good(version string) func(*system) {
	return remembers(func(r *Record) { r.HighestGood = version })
}

func failed(version string) func(*system) {
	return remembers(func(r *Record) { r.FailedVersions = []string{version} })
}

func remembers(change func(*Record)) func(*system) {
	return func(s *system) {
		u := s.open()
		defer u.Close()
		if err := u.Change(change); err != nil {
			s.t.Fatal(err)
		}
	}
}
