// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/test/nginx"
)

// replica is an nginx that serves a web root by channels.
type replica struct {
	*nginx.Server
	t *testing.T
}

// webRootTime is the time of a web root's document.
var webRootTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// webRoot makes a web root with a part of each release of versions, which
// offers the first of them to whoever asks.
func webRoot(t *testing.T, versions ...string) string {
	t.Helper()
	root := t.TempDir()
	static := filepath.Join(root, "update/v1/clipos/version")
	writeFile(t, static, fmt.Sprintf("version = %q\n", versions[0]))
	if err := os.Chtimes(static, webRootTime, webRootTime); err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		writeFile(t, filepath.Join(root, "dist", v, "clipos-core"), strings.Repeat(v, 1000))
		writeFile(t, filepath.Join(root, "dist", v, "clipos-efiboot.sig"), "signature of "+v)
	}
	return root
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// startReplica serves webRoot with the configuration that the program makes of
// a channels file.
func startReplica(t *testing.T, webRoot, channels string) *replica {
	t.Helper()
	r := &replica{nginx.New(t), t}
	r.Start(r.configuration(webRoot, channels))
	return r
}

// configuration is what the program makes.
func (r *replica) configuration(webRoot, channels string) string {
	r.t.Helper()
	file := filepath.Join(r.Folder, "channels.toml")
	writeFile(r.t, file, channels)
	status, out, log := runProgram(r.t, "", "--webroot", webRoot, "--channels", file, "nginx",
		"--listen", r.Address, "--certificate", r.Certificate, "--certificate-key", r.Key, "--access-log", r.AccessLog)
	if status != exitOK {
		r.t.Fatalf("status %d: %s", status, log)
	}
	return out
}

// tls is how a client verifies a replica.
func (r *replica) tls() *tls.Config {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(r.AuthorityPEM) {
		r.t.Fatal("no authority")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// client speaks HTTP/2 with a replica.
func (r *replica) client() *http.Client {
	transport := &http.Transport{TLSClientConfig: r.tls(), ForceAttemptHTTP2: true}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// answer is what a replica said.
type answer struct {
	status   int
	protocol string
	header   http.Header
	body     string
}

// ask sends a request and reads its whole answer.
func (r *replica) ask(client *http.Client, method, path string, header http.Header) answer {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, "https://"+r.Address+path, nil)
	if err != nil {
		r.t.Error(err)
		return answer{}
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		r.t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Error(err)
	}
	return answer{response.StatusCode, response.Proto, response.Header, string(body)}
}

// runProgram is the program in this process.
func runProgram(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(stdin), &out, &log)
	return status, out.String(), log.String()
}
