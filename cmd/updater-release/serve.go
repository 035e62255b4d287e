// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/cmd/updater-release/internal/serving"
)

// serve hands the web root out, for development.
func serve(flags *flag.FlagSet) action {
	listen := flags.String("listen", "127.0.0.1:8000", "")
	rootFile := flags.String("ca-out", "", "")
	certificateFile := flags.String("certificate", "", "")
	keyFile := flags.String("certificate-key", "", "")
	return func(ctx context.Context, s *session) error {
		root, _, err := s.root()
		if err != nil {
			return err
		}
		if info, err := os.Stat(s.webroot); err != nil || !info.IsDir() {
			return errors.Join(fmt.Errorf("web root %s: not a folder", s.webroot), err)
		}
		certificate, rootPEM, err := loadCertificate(*certificateFile, *keyFile, *rootFile)
		if err != nil {
			return err
		}
		if *rootFile != "" {
			if err := os.WriteFile(*rootFile, rootPEM, 0o644); err != nil {
				return err
			}
		}
		handler := &serving.Handler{Root: root, ChannelsFile: s.channels, Log: func(r *http.Request, status int) {
			fmt.Fprintln(s.log, console.Clean(fmt.Sprintf("%d %s %s %q %q", status, r.Method, r.URL.Path, r.Header.Get("Range"), r.Header.Get("clipos-machineid"))))
		}}
		return serving.Listen(ctx, *listen, handler, certificate, func(url string) error {
			return s.out.Answer(struct {
				URL string `json:"url"`
			}{url}, url)
		})
	}
}

// loadCertificate reads the server's certificate, or makes one whose root is
// written to rootFile.
func loadCertificate(certificate, key, rootFile string) (tls.Certificate, []byte, error) {
	switch {
	case certificate == "" && key == "" && rootFile == "":
		return tls.Certificate{}, nil, hinted{errors.New("nobody could trust a certificate made for now"), "--ca-out FILE for its root, or --certificate FILE --certificate-key FILE"}
	case certificate == "" && key == "":
		return serving.NewCertificate()
	case rootFile != "":
		return tls.Certificate{}, nil, errors.New("--ca-out is for a certificate made for now, not for --certificate")
	}
	c, err := tls.LoadX509KeyPair(certificate, key)
	return c, nil, err
}
