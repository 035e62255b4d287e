// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/test/tlsserver"
)

// leadTo gives the machine another server's address.
func (v *victim) leadTo(address string) {
	v.write(remoteFile, fmt.Sprintf("update_url = \"https://%s/update/v1\"\ndist_url = \"https://%[1]s/dist\"\n", address))
}

// listen answers each connection until the test ends.
func (v *victim) listen(answer func(net.Conn)) (address string) {
	v.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
	return l.Addr().String()
}

// applicationData is the type of a record that carries it (RFC 8446, 5.1).
const applicationData = 23

// tamper passes TLS records on and changes those of application data.
func tamper(to io.Writer, from io.Reader, change func(record []byte)) {
	for {
		record := make([]byte, 5, 5+1<<16)
		if _, err := io.ReadFull(from, record); err != nil {
			return
		}
		record = record[:5+int(binary.BigEndian.Uint16(record[3:]))]
		if _, err := io.ReadFull(from, record[5:]); err != nil {
			return
		}
		if record[0] == applicationData {
			change(record[5:])
		}
		if _, err := to.Write(record); err != nil {
			return
		}
	}
}

// Mongoose decrypted records of ChaCha20-Poly1305 without a look at their tag,
// so that who sat between could change what was in them. Here somebody does,
// in the tag and in the text, with each kind of cipher.
func TestCVE_2026_2968(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]*tls.Config{
		"TLS 1.3":                        {MinVersion: tls.VersionTLS13},
		"TLS 1.2 with ChaCha20-Poly1305": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}},
		"TLS 1.2 with AES-GCM":           {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			direct := v.plainServer(config)
			for what, change := range map[string]func([]byte){
				"tag":           func(r []byte) { r[len(r)-1] ^= 1 },
				"all of a tag":  func(r []byte) { clear(r[len(r)-16:]) },
				"text":          func(r []byte) { r[0] ^= 1 },
				"text, further": func(r []byte) { r[len(r)/2] ^= 0x20 },
			} {
				v.leadTo(v.listen(func(c net.Conn) {
					server, err := net.Dial("tcp", direct)
					if err != nil {
						return
					}
					defer server.Close()
					go io.Copy(server, c)
					tamper(c, server, change)
				}))
				v.refuses("TLSFailed", what)
			}
			v.leadTo(direct)
			v.updates()
		})
	}
}

// plainServer is the machine's own server without HTTP/2, which has a say in
// the choice of ciphers.
func (v *victim) plainServer(config *tls.Config) (address string) {
	v.Helper()
	authority, err := tlsserver.NewAuthority()
	v.must(err)
	issued, err := authority.Issue(tlsserver.Certificate{})
	v.must(err)
	config.Certificates = []tls.Certificate{issued}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	v.must(err)
	server := &http.Server{Handler: tlsserver.Files(webroot), ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(l)
	v.Cleanup(func() { server.Close() })
	v.write(rootsFile, string(authority.PEM()))
	return l.Addr().String()
}

// presents serves TLS with a certificate made by hand.
func (v *victim) presents(chain [][]byte, key any) {
	v.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: key}}}
	v.leadTo(v.listen(func(c net.Conn) { tls.Server(c, config).Handshake() }))
}

// certificate makes a server certificate for this machine that says it is
// issuer's, whoever's the key is.
func certificate(t *testing.T, public any, issuer *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	twin := *issuer
	twin.PublicKey = key.Public()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject: pkix.Name{CommonName: "impostor"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &twin, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func newECKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// rootCertificate is the one that the machine trusts.
func (v *victim) rootCertificate() *x509.Certificate {
	v.Helper()
	block, _ := pem.Decode([]byte(v.read(rootsFile)))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		v.Fatal(err)
	}
	return c
}

// Mongoose copied the public key of a server's certificate to a place that was
// too small for it, before anything was verified. Here certificates have huge
// keys, and there are many and long ones.
func TestCVE_2026_5244(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	key := newECKey(t, elliptic.P256())
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	v.must(err)
	root := v.rootCertificate()
	for _, bits := range []uint{8193, 1 << 16, 1 << 19} {
		huge := new(big.Int).Lsh(big.NewInt(1), bits)
		public := &rsa.PublicKey{N: huge.Add(huge, big.NewInt(1)), E: 65537}
		v.presents([][]byte{certificate(t, public, root, key)}, small)
		v.refuses("TLSFailed", fmt.Sprint("a key of ", bits, " bits"))
	}
	good := certificate(t, key.Public(), root, key)
	for name, chain := range map[string][][]byte{
		"no certificate":   {{}},
		"not one":          {[]byte("certificate")},
		"cut short":        {good[:len(good)-20]},
		"longer than said": {append(good[:len(good):len(good)], make([]byte, 1000)...)},
		"1000 of them":     repeat(good, 1000),
		"of 1 MiB":         {make([]byte, 1<<20)},
	} {
		v.presents(chain, key)
		v.refuses("TLSFailed", name)
	}
	v.leadTo(strings.TrimPrefix(v.server.URL, "https://"))
	v.updates()
}

func repeat(der []byte, n int) (chain [][]byte) {
	for range n {
		chain = append(chain, der)
	}
	return chain
}

// Mongoose listened for mDNS, and one datagram overflowed its stack. Here
// nothing listens: an idle daemon has no socket of the Internet at all.
func TestCVE_2026_5245(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before := s.usage()
	tried.Add(1)
	s.mustNot(s.asRoot().Call("org.clipos.Updater1.Check", 0, options{}).Err)
	sockets := func() (found []string) {
		for _, kind := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6"} {
			table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", s.daemon.Process.Pid, kind))
			s.mustNot(err)
			for line := range strings.Lines(string(table)) {
				if fields := strings.Fields(line); len(fields) > 9 && s.holdsSocket(fields[9]) {
					found = append(found, kind+" "+line)
				}
			}
		}
		return found
	}
	// A connection to the update server may be kept for a moment.
	s.until("no socket of the Internet", func() bool { return len(sockets()) == 0 })
	s.withstands(before)
}

// holdsSocket tells whether a descriptor of the daemon is the socket with that
// inode.
func (s *served) holdsSocket(inode string) bool {
	s.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", s.daemon.Process.Pid)
	descriptors, err := os.ReadDir(folder)
	s.mustNot(err)
	for _, d := range descriptors {
		if to, err := os.Readlink(folder + "/" + d.Name()); err == nil && to == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}

// Mongoose did not verify signatures made with P-384: it knew the curve no
// better than by its name. Here authorities have our authority's name, key
// identifier included, and every kind of key but the one.
func TestCVE_2026_5246(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	root := v.rootCertificate()
	key := newECKey(t, elliptic.P384())
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	v.must(err)
	for name, issuerKey := range map[string]crypto.Signer{
		"P-256": newECKey(t, elliptic.P256()), "P-384": newECKey(t, elliptic.P384()), "P-521": newECKey(t, elliptic.P521()), "RSA": small,
	} {
		leaf := certificate(t, key.Public(), root, issuerKey)
		v.presents([][]byte{leaf}, key)
		v.refuses("TLSFailed", "signed with "+name)
		v.presents([][]byte{leaf, root.Raw}, key)
		v.refuses("TLSFailed", "signed with "+name+", with our authority's certificate beside it")
		leaf[len(leaf)-1] ^= 1
		v.presents([][]byte{leaf}, key)
		v.refuses("TLSFailed", "signature changed, with "+name)
	}
	v.presents([][]byte{root.Raw}, key)
	v.refuses("TLSFailed", "our authority's own certificate, without its key")
	v.leadTo(strings.TrimPrefix(v.server.URL, "https://"))
	v.updates()
}
