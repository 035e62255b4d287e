// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/serving"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
)

const onlyBeta = `product = "clipos"
[channel.beta]
machines = ["0123456789abcdef0123456789abcdef"]
version = "5.2.0-beta.1"
`

// TestServeAnswersAsNginx: what is tried with serve is what nginx then does with
// the same web root and the same channels.
func TestServeAnswersAsNginx(t *testing.T) {
	questions := []http.Header{
		nil, machineHeader(""), machineHeader("0123456789abcdef0123456789abcde"), machineHeader("0123456789ABCDEF0123456789abcdef"),
		machineHeader("0123456789abcdef0123456789abcdef"), machineHeader("fedcba9876543210fedcba9876543210"),
		machineHeader("00000000000000000000000000000001"),
	}
	for _, id := range machineIDs(50) {
		questions = append(questions, machineHeader(id))
	}
	for name, channels := range map[string]string{
		"few channels":   fewChannels,
		"only beta":      onlyBeta,
		"nothing":        "product = \"clipos\"\n",
		"a part of them": staged(40),
	} {
		for root, versions := range map[string][]string{
			"all there":      {"5.0.0", "5.1.0", "5.2.0-beta.1", "5.0.1", "5.0.2", "5.0.3", "5.0.4"},
			"not the newest": {"4.9.0", "5.0.0"},
		} {
			t.Run(name+", "+root, func(t *testing.T) {
				dir := webRoot(t, versions...)
				r := startReplica(t, dir, channels)
				h := &serving.Handler{Root: webroot.New(dir, "clipos"), ChannelsFile: filepath.Join(r.Folder, "channels.toml")}
				client := r.client()
				for _, path := range []string{document, "/dist/5.0.0/clipos-core", "/dist/5.1.0/clipos-core", "/dist/5.0.0/clipos-efiboot", "/elsewhere"} {
					for _, header := range questions {
						sameAnswer(t, h, r.ask(client, http.MethodGet, path, header), path, header)
						if path != document {
							break // which machine asks does not matter
						}
					}
				}
				// Without the static document there is nothing to fall back on.
				if err := os.Remove(filepath.Join(dir, document)); err != nil {
					t.Fatal(err)
				}
				for _, header := range questions {
					sameAnswer(t, h, r.ask(client, http.MethodGet, document, header), document, header)
				}
			})
		}
	}
}

func sameAnswer(t *testing.T, h http.Handler, want answer, path string, header http.Header) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost"+path, nil)
	request.Header = header.Clone()
	got := httptest.NewRecorder()
	h.ServeHTTP(got, request)
	if got.Code != want.status || want.status == http.StatusOK && got.Body.String() != want.body {
		t.Errorf("%s of %q: %d %.40q, nginx says %d %.40q", path, header.Get("clipos-machineid"), got.Code, got.Body, want.status, want.body)
	}
}
