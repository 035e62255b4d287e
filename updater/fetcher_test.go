// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/clipos/updater/updater/internal/fetchproxy"
)

const (
	fetcherSocket = "/run/updater/fetch.sock"
	fetcherConfig = clipOSConfig + "[fetch]\nsocket = \"" + fetcherSocket + "\"\n"
)

// What config.toml says counts; what the unit says when that is silent.
func TestLoadFetcher(t *testing.T) {
	for name, c := range map[string]struct {
		config, option, want string
	}{
		"nobody says":      {clipOSConfig, "", ""},
		"config.toml says": {fetcherConfig, "", fetcherSocket},
		"the unit says":    {clipOSConfig, "/run/other.sock", "/run/other.sock"},
		"both say":         {fetcherConfig, "/run/other.sock", fetcherSocket},
		"empty":            {clipOSConfig + "[fetch]\nsocket = \"\"\n", "/run/other.sock", "/run/other.sock"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			s.write("/usr/lib/updater/config.toml", c.config)
			s.paths.FetchSocket = c.option
			got := s.load()
			if strings.TrimPrefix(got.Fetch.Socket, s.paths.Root) != c.want {
				t.Errorf("socket %q, want %q", got.Fetch.Socket, c.want)
			}
			if (got.roots == nil) != (c.want != "") {
				t.Errorf("roots %v with socket %q", got.roots, c.want)
			}
		})
	}
}

func TestLoadRefusesFetcher(t *testing.T) {
	const file = "/usr/lib/updater/config.toml"
	for name, c := range map[string]struct{ text, place, why string }{
		"relative":    {`socket = "fetch.sock"`, ":8: fetch.socket: ", `"fetch.sock" is not an absolute path`},
		"abstract":    {`socket = "@updater"`, ":8: fetch.socket: ", `"@updater" is not an absolute path`},
		"long":        {`socket = "/` + strings.Repeat("x", 107) + `"`, ":8: fetch.socket: ", "longer than the 107 bytes"},
		"with NUL":    {`socket = "/run/\u0000"`, ":8: fetch.socket: ", `"/run/\x00"`},
		"number":      {`socket = 5`, ":8: fetch.socket: ", "integer, must be a string"},
		"unknown key": {`port = 5`, ":8: fetch.port: ", "unknown key"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			s.write(file, clipOSConfig+"[fetch]\n"+c.text+"\n")
			_, err := Load(s.paths)
			s.refused(err, file+c.place, c.why)
		})
	}
}

// What the fetcher is to read need not be there for us, nor be readable; but
// nobody else may write it.
func TestLoadFetchersFiles(t *testing.T) {
	needsRoot(t)
	for name, c := range map[string]struct {
		change     func(s *system)
		place, why string
	}{
		"as they are":      {func(*system) {}, "", ""},
		"not TOML":         {func(s *system) { s.write(remotes+"/remote.toml", "<html>") }, "", ""},
		"not there":        {func(s *system) { s.remove(remotes) }, "", ""},
		"remote for all":   {func(s *system) { s.change(remotes+"/remote.toml", 0, 0, 0o666) }, remotes + "/remote.toml: ", "lets others write"},
		"roots of a group": {func(s *system) { s.change(remotes+"/rootca.pem", 0, admin, 0o660) }, remotes + "/rootca.pem: ", "lets others write"},
		"folder for all":   {func(s *system) { s.change(remotes, admin, 0, 0o777) }, remotes + ": ", "lets others write"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			s.write("/usr/lib/updater/config.toml", fetcherConfig)
			c.change(s)
			_, err := Load(s.paths)
			if c.why != "" {
				s.refused(err, c.place, c.why)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func (s *system) remove(path string) {
	s.t.Helper()
	if err := os.RemoveAll(s.paths.At(path)); err != nil {
		s.t.Fatal(err)
	}
}

// What the fetcher cannot use it tells, at its start and to whoever asks.
func TestFetcherConfig(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *system)
		why    string // "": accepted
	}{
		"good":           {func(*system) {}, ""},
		"no remote.toml": {func(s *system) { s.remove(remotes + "/remote.toml") }, "remote.toml: no such file"},
		"unknown key":    {func(s *system) { s.write(remotes+"/remote.toml", "proxy = \"x\"\n") }, "remote.toml:1: proxy: unknown key"},
		"placeholder":    {func(s *system) { s.write(remotes+"/remote.toml", "# could not be read\n") }, "remote.toml: update_url: missing"},
		"no certificate": {func(s *system) { s.write(remotes+"/rootca.pem", "# could not be read\n") }, "rootca.pem: no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			c.change(s)
			var reported []error
			h := newFetcher(s.paths.Remote, func(err error) { reported = append(reported, err) })
			if _, proxies := h.(*fetchproxy.Proxy); proxies != (c.why == "") || len(reported) != 0 != (c.why != "") {
				t.Fatalf("handler %T, reported %v", h, reported)
			}
			if c.why == "" {
				return
			}
			s.refused(reported[0], "", c.why)
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/update/clipos/version", nil))
			if answer.Code != http.StatusBadGateway || !strings.Contains(answer.Header().Get("Updater-Fetch-Reason"), c.why) {
				t.Errorf("answered %d %v", answer.Code, answer.Header())
			}
		})
	}
}
