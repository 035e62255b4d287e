// SPDX-License-Identifier: LGPL-2.1-or-later

// Package serving hands out a web root over TLS, for development: as any static
// server would, with ranges and validators, and the version document as the
// channels file says.
//
// Who is offered what is what the configuration of package nginx makes of the
// same channels file: a release that the web root does not have, or has not yet
// got the last file of, is not offered, nor is nothing; the static version
// document is the answer then.
//
// The channels file is read again for each question for the version, so that a
// promotion counts at once. What begins with a dot, a release that is being
// made among it, is not handed out, and no folder is listed. A file that is no
// longer what it was when a client began to fetch it has another ETag.
package serving

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/policy"
)

// machineHeader is what clients say who they are in.
const machineHeader = "clipos-machineid"

// Handler hands out a web root.
type Handler struct {
	Root *webroot.Root
	// ChannelsFile need not be there.
	ChannelsFile string
	// Log, when not nil, is told of each request and what was answered.
	Log func(r *http.Request, status int)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kept := &status{ResponseWriter: w, code: http.StatusOK}
	h.serve(kept, r)
	if h.Log != nil {
		h.Log(r, kept.code)
	}
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == "/update/v1/"+h.Root.Product+"/version" {
		file, err := channels.Load(h.ChannelsFile)
		if err == nil {
			h.serveVersion(w, r, file)
			return
		}
		if !errors.Is(err, fs.ErrNotExist) {
			http.Error(w, "channels file invalid", http.StatusInternalServerError)
			return
		}
	}
	h.serveFile(w, r)
}

// serveVersion answers with what the machine's channel is offered.
func (h *Handler) serveVersion(w http.ResponseWriter, r *http.Request, file *channels.File) {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Vary", machineHeader)
	machine := r.Header.Get(machineHeader)
	version := file.Of(machine).Offers(machine)
	if version.IsZero() || !h.has(version) {
		h.serveFile(w, r)
		return
	}
	w.Header().Set("ETag", `"`+version.String()+`"`)
	w.Header().Set("Content-Type", "application/toml")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(webroot.DocumentText(version)))
}

// has tells whether a release can be had here, by the file that nginx goes by.
func (h *Handler) has(v policy.Version) bool {
	//nolint:gosec // G703: the version is one of the channels file, parsed, and the names are ours
	info, err := os.Stat(filepath.Join(h.Root.Release(v), webroot.Signature(h.Root.Efiboot())))
	return err == nil && info.Mode().IsRegular()
}

// serveFile answers with a regular file below the web root.
func (h *Handler) serveFile(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/.") {
		http.NotFound(w, r)
		return
	}
	file, err := os.OpenInRoot(h.Root.Dir, path.Clean("."+r.URL.Path))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", info.ModTime(), file)
}

// Listen serves until the context ends; ready is called with the address once
// there is somebody to answer.
func Listen(ctx context.Context, address string, handler http.Handler, certificate tls.Certificate, ready func(url string) error) error {
	var configuration net.ListenConfig
	listener, err := configuration.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
		ReadHeaderTimeout: time.Minute,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	if err := ready("https://" + listener.Addr().String()); err != nil {
		return errors.Join(err, server.Close(), ignoreClosed(<-ended))
	}
	select {
	case <-ctx.Done():
		return errors.Join(server.Close(), ignoreClosed(<-ended))
	case err := <-ended:
		return err
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
