// SPDX-License-Identifier: LGPL-2.1-or-later

// Package nginx runs the real nginx of the machine for a test: in a folder,
// with one worker, without rights, on a free port of the loopback interface.
package nginx

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/clipos/updater/test/tlsserver"
)

// Server is one that is about to run, or runs until the end of its test.
type Server struct {
	// Folder has all files of the server, those named below among them.
	Folder string
	// Address is a host and a port.
	Address string
	// Certificate and Key are files; AuthorityPEM is what a client must trust.
	Certificate, Key string
	AuthorityPEM     []byte
	// AccessLog is the file that a configuration should name.
	AccessLog string

	t        testing.TB
	listener *net.TCPListener
}

// New makes the folder and the certificate, and listens already: until Start,
// clients wait.
func New(t testing.TB) *Server {
	t.Helper()
	folder := t.TempDir()
	if err := tlsserver.WriteFiles(folder); err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(filepath.Join(folder, "rootca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return &Server{
		Folder: folder, Address: listener.Addr().String(),
		Certificate: filepath.Join(folder, "server.pem"), Key: filepath.Join(folder, "server-key.pem"),
		AuthorityPEM: authority, AccessLog: filepath.Join(folder, "access.log"),
		t: t, listener: listener,
	}
}

// Start serves with a configuration of the http block. nginx is given the
// socket, as it gives it to itself when its program is replaced: there is
// nothing to wait for.
func (s *Server) Start(http string) {
	s.t.Helper()
	socket, err := s.listener.File()
	if err != nil {
		s.t.Fatal(err)
	}
	defer socket.Close()
	c := s.command(http)
	c.Env = append(c.Environ(), "NGINX=3;")
	c.ExtraFiles = []*os.File{socket}
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil {
			log, _ := os.ReadFile(filepath.Join(s.Folder, "error.log"))
			s.t.Errorf("nginx: %v\n%s%s", err, &output, log)
		}
	})
}

// Check is what "nginx -t" says about a configuration of the http block, and
// its error.
func (s *Server) Check(http string) (output string, err error) {
	s.t.Helper()
	c := s.command(http)
	c.Args = append(c.Args, "-t")
	text, err := c.CombinedOutput()
	return string(text), err
}

// command is nginx with a configuration of the http block.
func (s *Server) command(http string) *exec.Cmd {
	s.t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		s.t.Fatalf("%v: install the Debian package nginx-light", err)
	}
	me, err := user.Current()
	if err != nil {
		s.t.Fatal(err)
	}
	text := fmt.Sprintf(`user %s;
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
%s
}
`, me.Username, http)
	if err := os.WriteFile(filepath.Join(s.Folder, "nginx.conf"), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return exec.Command(program, "-p", s.Folder, "-c", "nginx.conf", "-e", "error.log")
}
