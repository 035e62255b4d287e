// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clipos/updater/test/tlsserver"
)

// replica is an nginx that serves a web root by channels.
type replica struct {
	t                    *testing.T
	folder, address, log string
	roots                *x509.CertPool
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
	folder := t.TempDir()
	if err := tlsserver.WriteFiles(folder); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := &replica{
		t: t, folder: folder, address: listener.Addr().String(), log: filepath.Join(folder, "access.log"),
		roots: x509.NewCertPool(),
	}
	authority, err := os.ReadFile(filepath.Join(folder, "rootca.pem"))
	if err != nil || !r.roots.AppendCertsFromPEM(authority) {
		t.Fatal("no authority: ", err)
	}
	configure(t, folder, webRoot, channels, r.address)
	r.start(listener.(*net.TCPListener))
	return r
}

// configure writes nginx.conf, which includes what the program makes.
func configure(t *testing.T, folder, webRoot, channels, address string) {
	t.Helper()
	writeFile(t, filepath.Join(folder, "channels.toml"), channels)
	status, out, log := runProgram(t, "", "--webroot", webRoot, "--channels", filepath.Join(folder, "channels.toml"),
		"nginx", "--listen", address, "--certificate", filepath.Join(folder, "server.pem"),
		"--certificate-key", filepath.Join(folder, "server-key.pem"), "--access-log", filepath.Join(folder, "access.log"))
	if status != exitOK {
		t.Fatalf("status %d: %s", status, log)
	}
	writeFile(t, filepath.Join(folder, "updater.conf"), out)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "nginx.conf"), fmt.Sprintf(`
		user %s;
		daemon off;
		worker_processes 1;
		pid nginx.pid;
		events { worker_connections 256; }
		http {
			client_body_temp_path tmp;
			proxy_temp_path tmp;
			fastcgi_temp_path tmp;
			uwsgi_temp_path tmp;
			scgi_temp_path tmp;
			include updater.conf;
		}`, me.Username))
}

// nginxCommand is nginx with the configuration of a folder.
func nginxCommand(t *testing.T, folder string, arguments ...string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatalf("%v: install the Debian package nginx-light", err)
	}
	return exec.Command(program, append([]string{"-p", folder, "-c", "nginx.conf", "-e", "error.log"}, arguments...)...)
}

// start hands nginx a socket that listens already, as its own predecessor does
// when the program is replaced: there is nothing to wait for.
func (r *replica) start(listener *net.TCPListener) {
	r.t.Helper()
	socket, err := listener.File()
	if err != nil {
		r.t.Fatal(err)
	}
	defer socket.Close()
	c := nginxCommand(r.t, r.folder)
	c.Env = append(os.Environ(), "NGINX=3;")
	c.ExtraFiles = []*os.File{socket}
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil {
			errors, _ := os.ReadFile(filepath.Join(r.folder, "error.log"))
			r.t.Errorf("nginx: %v\n%s%s", err, &output, errors)
		}
	})
}

// client speaks HTTP/2 with a replica.
func (r *replica) client() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
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
	request, err := http.NewRequestWithContext(r.t.Context(), method, "https://"+r.address+path, nil)
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
