// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/test/tlsserver"
)

// impostor starts a server that is not the machine's own in one respect, and
// leads the machine to it.
func (v *victim) impostor(o tlsserver.Options) *tlsserver.Server {
	v.Helper()
	o.Handler = tlsserver.Files(webroot)
	s, err := tlsserver.Start(context.Background(), o)
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { s.Close() })
	v.write("etc/updater/remote.toml", fmt.Sprintf("update_url = %q\ndist_url = %q\n", s.URL+"/update/v1", s.URL+"/dist"))
	return s
}

// The certificate has to be one of rootca.pem's, for this host and now. A
// client that goes further than that tells an impostor which machine it is.
func TestCertificate(t *testing.T) {
	t.Parallel()
	authority, err := tlsserver.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	public, err := tlsserver.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	old := func(lowest, highest uint16) *tls.Config {
		return &tls.Config{MinVersion: lowest, MaxVersion: highest} //nolint:gosec // what is to be refused
	}
	v := newVictim(t)
	v.write("etc/updater/rootca.pem", string(authority.PEM()))
	// Every place where Go looks for public authorities has this one.
	bundle := filepath.Join(t.TempDir(), "public.pem")
	v.must(os.WriteFile(bundle, public.PEM(), 0o600))
	v.environment = []string{"SSL_CERT_FILE=" + bundle, "SSL_CERT_DIR=" + filepath.Dir(bundle)}
	for name, o := range map[string]tlsserver.Options{
		"of a public authority":   {Authority: public},
		"of an authority unknown": {},
		"expired":                 {Authority: authority, Certificate: tlsserver.Certificate{NotAfter: time.Now().Add(-time.Minute)}},
		"not valid yet":           {Authority: authority, Certificate: tlsserver.Certificate{NotBefore: time.Now().Add(time.Hour)}},
		"for another host":        {Authority: authority, Certificate: tlsserver.Certificate{Hosts: []string{"update.example.org"}}},
		"for another address":     {Authority: authority, Certificate: tlsserver.Certificate{Hosts: []string{"127.0.0.2"}}},
		"for any host":            {Authority: authority, Certificate: tlsserver.Certificate{Hosts: []string{"*"}}},
		"the address as a name":   {Authority: authority, Certificate: tlsserver.Certificate{Hosts: []string{"x127.0.0.1"}}},
		"TLS 1.1":                 {Authority: authority, TLS: old(tls.VersionTLS10, tls.VersionTLS11)},
		"TLS 1.0":                 {Authority: authority, TLS: old(tls.VersionTLS10, tls.VersionTLS10)},
		"TLS 1.1 of an impostor":  {TLS: old(tls.VersionTLS10, tls.VersionTLS11)},
		"demands one of the client": {Authority: authority, TLS: &tls.Config{
			MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert,
		}},
	} {
		s := v.impostor(o)
		v.refuses("TLSFailed", name)
		if told := s.Requests(); len(told) > 0 {
			t.Errorf("%s: the server was told %v", name, told)
		}
	}
	v.impostor(tlsserver.Options{Authority: authority})
	v.updates()
}

// What is not TLS, or stops being it, is not taken for the server's word.
func TestNotTLS(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for name, answer := range map[string]string{
		"plain HTTP":           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"an alert":             "\x15\x03\x03\x00\x02\x02\x28",
		"a record of nonsense": "\x16\x03\x03\x00\x04\x0e\x00\x00\x00",
		"SSH":                  "SSH-2.0-OpenSSH_9.2\r\n",
		"a record too long":    "\x16\x03\x03\xff\xff" + strings.Repeat("x", 0xffff),
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		v.must(err)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					c.Read(make([]byte, 4096))
					io.WriteString(c, answer)
					c.(*net.TCPConn).CloseWrite()
					io.Copy(io.Discard, c)
				}()
			}
		}()
		url := "https://" + l.Addr().String()
		v.write("etc/updater/remote.toml", fmt.Sprintf("update_url = %q\ndist_url = %q\n", url, url))
		v.refuses("TLSFailed", name)
		l.Close()
	}
}

// Neither a proxy nor a key log nor another trust store comes from the
// environment.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	log := filepath.Join(t.TempDir(), "keys")
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	v.must(err)
	defer proxy.Close()
	go func() {
		if c, err := proxy.Accept(); err == nil {
			t.Error("the proxy was asked")
			c.Close()
		}
	}()
	url := "http://" + proxy.Addr().String()
	v.environment = []string{
		"HTTPS_PROXY=" + url, "https_proxy=" + url, "HTTP_PROXY=" + url, "ALL_PROXY=" + url, "SSLKEYLOGFILE=" + log,
		"SSL_CERT_FILE=/dev/null", "GODEBUG=x509sha1=1,tls10server=1", "LVM_SYSTEM_DIR=/tmp", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere",
	}
	tried.Add(int64(len(v.environment)))
	v.updates()
	if _, err := os.Stat(log); err == nil {
		t.Error("the session's keys were written down")
	}
}
