// SPDX-License-Identifier: LGPL-2.1-or-later

package serving

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
)

const machine = "0123456789abcdef0123456789abcdef"

const channelsText = `product = "clipos"
[channel.stable]
version = "1.1.0"
percent = 0
previous = "1.0.0"
[channel.beta]
version = "2.0.0"
machines = ["0123456789abcdef0123456789abcdef"]
`

// onlyBeta has nothing for stable.
func onlyBeta(version string) string {
	return "product = \"clipos\"\n[channel.beta]\nversion = \"" + version + "\"\nmachines = [\"" + machine + "\"]\n"
}

func newHandler(t *testing.T, files map[string]string) *Handler {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &Handler{Root: webroot.New(filepath.Join(dir, "www"), "clipos"), ChannelsFile: filepath.Join(dir, "channels.toml")}
}

func TestHandler(t *testing.T) {
	const document = "/update/v1/clipos/version"
	files := map[string]string{
		"secret":                            "outside",
		"www/dist/1.0.0/clipos-core":        "0123456789",
		"www/dist/2.0.0/clipos-efiboot.sig": "signature",
		"www/dist/3.0.0/clipos-core":        "half",
		"www/.updater-release/1/core":       "half",
		"www/dist/1.0.0/clipos-efiboot.sig": "signature",
		"www/update/v1/clipos/version":      "version = \"0.9.0\"\n",
		"www/update/v1/another/version":     "version = \"9.0.0\"\n",
	}
	for name, c := range map[string]struct {
		channels, method, path, machine, header string
		status                                  int
		body                                    string
	}{
		"file":                      {path: "/dist/1.0.0/clipos-core", status: 200, body: "0123456789"},
		"range":                     {path: "/dist/1.0.0/clipos-core", header: "bytes=4-", status: 206, body: "456789"},
		"range beyond":              {path: "/dist/1.0.0/clipos-core", header: "bytes=40-", status: 416, body: "invalid range: failed to overlap\n"},
		"head":                      {method: "HEAD", path: "/dist/1.0.0/clipos-core", status: 200},
		"post":                      {method: "POST", path: "/dist/1.0.0/clipos-core", status: 405, body: "only GET and HEAD\n"},
		"not there":                 {path: "/dist/1.0.0/clipos-efiboot", status: 404, body: "404 page not found\n"},
		"folder":                    {path: "/dist/", status: 404, body: "404 page not found\n"},
		"what is being made":        {path: "/.updater-release/1/core", status: 404, body: "404 page not found\n"},
		"outside":                   {path: "/../secret", status: 404, body: "404 page not found\n"},
		"document":                  {path: document, status: 200, body: "version = \"0.9.0\"\n"},
		"channel stable":            {channels: channelsText, path: document, status: 200, body: "version = \"1.0.0\"\n"},
		"channel beta":              {channels: channelsText, path: document, machine: machine, status: 200, body: "version = \"2.0.0\"\n"},
		"nothing offered":           {channels: "product = \"clipos\"\n", path: document, status: 200, body: "version = \"0.9.0\"\n"},
		"only beta is offered":      {channels: onlyBeta("2.0.0"), path: document, status: 200, body: "version = \"0.9.0\"\n"},
		"not there is not offered":  {channels: onlyBeta("4.0.0"), path: document, machine: machine, status: 200, body: "version = \"0.9.0\"\n"},
		"half there is not offered": {channels: onlyBeta("3.0.0"), path: document, machine: machine, status: 200, body: "version = \"0.9.0\"\n"},
		"channels not right":        {channels: "product", path: document, status: 500, body: "channels file invalid\n"},
		"of another product":        {channels: channelsText, path: "/update/v1/another/version", status: 200, body: "version = \"9.0.0\"\n"},
		"payloads, by channels":     {channels: channelsText, path: "/dist/1.0.0/clipos-core", status: 200, body: "0123456789"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(t, files)
			if c.channels != "" {
				if err := os.WriteFile(h.ChannelsFile, []byte(c.channels), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			logged := 0
			h.Log = func(_ *http.Request, status int) { logged = status }
			r := httptest.NewRequestWithContext(t.Context(), c.method, "https://localhost/", nil)
			r.URL.Path = c.path
			if c.header != "" {
				r.Header.Set("Range", c.header)
			}
			r.Header.Set(machineHeader, c.machine)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status || logged != c.status || w.Body.String() != c.body {
				t.Errorf("%d (logged %d) %q, want %d %q", w.Code, logged, w.Body, c.status, c.body)
			}
		})
	}
}

// A file that changed between two parts is sent from its beginning.
func TestIfRange(t *testing.T) {
	h := newHandler(t, map[string]string{"www/file": "0123456789"})
	get := func(etag string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost/file", nil)
		r.Header.Set("Range", "bytes=5-")
		if etag != "" {
			r.Header.Set("If-Range", etag)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	etag := get("").Header().Get("ETag")
	if w := get(etag); w.Code != http.StatusPartialContent || w.Body.String() != "56789" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if err := os.WriteFile(filepath.Join(h.Root.Dir, "file"), []byte("another file"), 0o644); err != nil {
		t.Fatal(err)
	}
	if w := get(etag); w.Code != http.StatusOK || w.Body.String() != "another file" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

// A client that trusts the root, and no other, gets an answer.
func TestListen(t *testing.T) {
	certificate, rootPEM, err := NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, map[string]string{"www/file": "text"})
	ctx, cancel := context.WithCancel(t.Context())
	address := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- Listen(ctx, "127.0.0.1:0", h, certificate, func(url string) error { address <- url; return nil })
	}()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(rootPEM)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	url := <-address
	response, err := client.Get(url + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	stranger := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}}
	if r, err := stranger.Get(url + "/file"); err == nil {
		r.Body.Close()
		t.Error("a stranger trusts the server")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
