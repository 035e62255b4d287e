// SPDX-License-Identifier: LGPL-2.1-or-later

package tlsserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority issues certificates; its key is nowhere but in memory.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Certificate is what to issue.
type Certificate struct {
	// Hosts are names and addresses, localhost and its addresses when empty.
	Hosts []string
	// NotBefore and NotAfter are an hour ago and in a day when zero.
	NotBefore, NotAfter time.Time
}

// NewAuthority makes an authority that is valid for a day.
func NewAuthority() (*Authority, error) {
	template := newTemplate(Certificate{}, "updater test authority")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return issue(template, template, key, key)
}

// issue signs template with the key of parent.
func issue(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (*Authority, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Authority{certificate, key}, nil
}

func newTemplate(c Certificate, name string) *x509.Certificate {
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: c.NotBefore,
		NotAfter:  c.NotAfter,
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	return template
}

// Issue makes a server certificate and its key.
func (a *Authority) Issue(c Certificate) (tls.Certificate, error) {
	template := newTemplate(c, "updater test server")
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	hosts := c.Hosts
	if len(hosts) == 0 {
		hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := issue(template, a.certificate, key, a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{leaf.certificate.Raw}, PrivateKey: key, Leaf: leaf.certificate}, nil
}

// PEM is the certificate of the authority, as a client's rootca.pem has it.
func (a *Authority) PEM() []byte { return encode("CERTIFICATE", a.certificate.Raw) }

// WriteFiles writes, for a server that is not ours, rootca.pem, server.pem
// and server-key.pem to the folder dir.
func WriteFiles(dir string) error {
	authority, err := NewAuthority()
	if err != nil {
		return err
	}
	certificate, err := authority.Issue(Certificate{})
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	return errors.Join(err,
		os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "rootca.pem"), authority.PEM(), 0o644),
		os.WriteFile(filepath.Join(dir, "server.pem"), encode("CERTIFICATE", certificate.Certificate[0]), 0o644),
		os.WriteFile(filepath.Join(dir, "server-key.pem"), encode("PRIVATE KEY", key), 0o600),
	)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
