// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/clipos/updater/test/tlsserver"
)

// The files of a release that a server has for a client.
const (
	versionFile = "update/v1/clipos/version"
	distDir     = "dist/" + offered + "/clipos-"
)

// serves makes the server answer so from now on.
func (v *victim) serves(h http.Handler) { v.answer.Store(&h) }

// forges makes the server honest but for one file; of a release's files the
// kind is enough: "core", "core.sig".
func (v *victim) forges(file string, h http.HandlerFunc) {
	v.serves(instead(tlsserver.Files(webroot), map[string]http.HandlerFunc{file: h}))
}

// instead answers for some files and leaves the others to files.
func instead(files http.Handler, others map[string]http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for file, h := range others {
			if file != versionFile {
				file = distDir + file
			}
			if r.URL.Path == "/"+file {
				h(w, r)
				return
			}
		}
		files.ServeHTTP(w, r)
	})
}

// body serves a content as a common web server would.
func body(content string) http.HandlerFunc {
	tag := fmt.Sprintf("\"%08x\"", crc32.ChecksumIEEE([]byte(content)))
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, path.Base(r.URL.Path), time.Time{}, strings.NewReader(content))
	}
}

// offers makes the server announce that version, written as TOML has it.
func (v *victim) offers(version string) {
	v.forges(versionFile, body(fmt.Sprintf("version = %q\n", version)))
}

// fileOf serves another file of a web root.
func fileOf(webroot, file string) http.HandlerFunc {
	files := tlsserver.Files(webroot)
	return func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path = "/" + file
		files.ServeHTTP(w, r)
	}
}

// release serves both payloads and signatures of the offered version from a
// web root where the product may have another name.
func releaseOf(webroot, product string) map[string]http.HandlerFunc {
	files := map[string]http.HandlerFunc{}
	for _, file := range []string{"core", "core.sig", "efiboot", "efiboot.sig"} {
		files[file] = fileOf(webroot, "dist/"+offered+"/"+product+"-"+file)
	}
	return files
}

// raw takes the connection over from HTTP.
func raw(w http.ResponseWriter, talk func(net.Conn)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	talk(conn)
}

// status answers with a code, and a body that must not be shown.
func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		if code >= http.StatusBadRequest {
			fmt.Fprint(w, "\x1b[2Jall is well\n")
		}
	}
}

// endless sends the same bytes until the client hangs up, HEAD excepted.
func endless(piece string) http.HandlerFunc {
	data := bytes.Repeat([]byte(piece), 64<<10/len(piece)+1)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		for {
			if _, err := w.Write(data); err != nil {
				return
			}
		}
	}
}

// getOnly has no answer to HEAD, so that nothing is known before the body.
func getOnly(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		h(w, r)
	}
}
