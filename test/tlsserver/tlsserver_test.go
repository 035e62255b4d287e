// SPDX-License-Identifier: LGPL-2.1-or-later

package tlsserver

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFiles(t *testing.T) {
	webroot := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(
		os.WriteFile(filepath.Join(webroot, "payload"), []byte("0123456789"), 0o644),
		os.WriteFile(outside, []byte("secret"), 0o600),
		os.Symlink(outside, filepath.Join(webroot, "link")),
		os.Mkdir(filepath.Join(webroot, "folder"), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{Handler: Files(webroot)})
	c := client(t, s)
	tag := get(t, c, http.MethodGet, s.URL+"/payload", nil).header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	tests := []struct {
		name, method, path string
		header             map[string]string
		status             int
		body               string
	}{
		{"whole", "GET", "/payload", nil, 200, "0123456789"},
		{"head", "HEAD", "/payload", nil, 200, ""},
		{"range", "GET", "/payload", map[string]string{"Range": "bytes=4-"}, 206, "456789"},
		{"range, same validator", "GET", "/payload", map[string]string{"Range": "bytes=4-", "If-Range": tag}, 206, "456789"},
		{"range, other validator", "GET", "/payload", map[string]string{"Range": "bytes=4-", "If-Range": `"x"`}, 200, "0123456789"},
		{"range behind the end", "GET", "/payload", map[string]string{"Range": "bytes=10-"}, 416, "invalid range: failed to overlap\n"},
		{"missing", "GET", "/nothing", nil, 404, "404 page not found\n"},
		{"folder", "GET", "/folder/", nil, 404, "404 page not found\n"},
		{"root", "GET", "/", nil, 404, "404 page not found\n"},
		{"link to the outside", "GET", "/link", nil, 404, "404 page not found\n"},
		{"dots", "GET", "/../../etc/passwd", nil, 404, "404 page not found\n"},
		{"other method", "POST", "/payload", nil, 405, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := get(t, c, test.method, s.URL+test.path, test.header)
			if got.status != test.status || got.body != test.body {
				t.Errorf("got %d %q, want %d %q", got.status, got.body, test.status, test.body)
			}
		})
	}
	// A rewritten file must not look like the old one.
	if err := os.WriteFile(filepath.Join(webroot, "payload"), []byte("abcdefghij"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again := get(t, c, http.MethodGet, s.URL+"/payload", nil).header.Get("ETag"); again == tag {
		t.Errorf("ETag %s stays the same for another content", tag)
	}
}

func TestRequests(t *testing.T) {
	var log bytes.Buffer
	s := start(t, Options{Log: &log, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/drop" {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "12345")
	})})
	c := client(t, s)
	get(t, c, http.MethodGet, s.URL+"/one", map[string]string{"clipos-version": "1.0.0"})
	if response, err := c.Get(s.URL + "/drop"); err == nil {
		response.Body.Close()
		t.Error("a dropped connection gave an answer")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := s.Requests()
	if len(got) < 2 {
		t.Fatalf("saw %v", got)
	}
	one := got[0]
	if one.Method != http.MethodGet || one.Path != "/one" || one.Status != 200 || one.BodyBytes != 5 || one.Header.Get("clipos-version") != "1.0.0" {
		t.Errorf("saw %+v", one)
	}
	if got[1].Path != "/drop" || got[1].Status != 0 || got[1].BodyBytes != 0 {
		t.Errorf("saw %+v", got[1])
	}
	if want := "GET \"/one\" 200 5 bytes range \"\"\n"; !bytes.HasPrefix(log.Bytes(), []byte(want)) {
		t.Errorf("log %q, want %q first", log.String(), want)
	}
}

func TestCertificates(t *testing.T) {
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{"another authority", Options{Authority: other}, "signed by unknown authority"},
		{"expired", Options{Authority: authority, Certificate: Certificate{NotAfter: time.Now().Add(-time.Minute)}}, "certificate has expired"},
		{"another host", Options{Authority: authority, Certificate: Certificate{Hosts: []string{"192.0.2.1"}}}, "certificate is valid for 192.0.2.1"},
		{"TLS 1.1", Options{Authority: authority, TLS: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}, "protocol version not supported"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Handler = http.NotFoundHandler()
			s := start(t, test.options)
			s.AuthorityPEM = authority.PEM()
			response, err := client(t, s).Get(s.URL)
			if err == nil {
				response.Body.Close()
				t.Fatal("was accepted")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestWriteFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certificates")
	if err := WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(filepath.Join(dir, "rootca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: pool(root)}); err != nil {
			t.Error(err)
		}
	}
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.http.Close() })
	return s
}

func pool(pem []byte) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

func client(t *testing.T, s *Server) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(s.AuthorityPEM), MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, c *http.Client, method, url string, header map[string]string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}
