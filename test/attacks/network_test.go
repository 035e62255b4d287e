// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/clipos/updater/test/tlsserver"
)

// resources are what a server is asked for in turn.
var resources = []string{versionFile, "efiboot.sig", "core.sig", "efiboot", "core"}

// Any status but 200, and any for each resource, ends the update at once:
// codes that do not pass by are not waited for.
func TestStatus(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for _, file := range resources {
		for _, code := range []int{201, 202, 203, 204, 206, 300, 304, 400, 401, 403, 404, 410, 418, 451, 501, 999} {
			want := "ServerError"
			if strings.HasSuffix(file, ".sig") && (code == http.StatusNotFound || code == http.StatusGone) {
				want = "SignatureInvalid"
			}
			v.forges(file, status(code))
			v.refuses(want, fmt.Sprint(file, " ", code))
		}
	}
	v.updates()
}

// What may pass by is asked for five times and no more.
func TestStatusThatMayPass(t *testing.T) {
	t.Parallel()
	v := map[string]*victim{}
	for _, code := range []int{408, 429, 500, 502, 503, 504} {
		v[fmt.Sprint(code)] = newVictim(t)
		v[fmt.Sprint(code)].forges("core", getOnly(status(code)))
	}
	together(t, v, func(v *victim, name string) {
		v.refuses("ServerError", name)
		asked := 0
		for _, r := range v.server.Requests() {
			if strings.HasSuffix(r.Path, "-core") && r.Method == http.MethodGet {
				asked++
			}
		}
		if asked != 5 {
			v.Errorf("asked %d times", asked)
		}
		v.updates()
	})
}

// together attacks several victims at once: they wait most of the time.
func together(t *testing.T, victims map[string]*victim, attack func(v *victim, name string)) {
	t.Helper()
	t.Run("all", func(t *testing.T) {
		for name, v := range victims {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				v.T = t
				attack(v, name)
			})
		}
	})
}

// A redirection is not followed, wherever it leads: least of all to plain
// HTTP, with the machine's name in the request.
func TestRedirect(t *testing.T) {
	t.Parallel()
	var followed atomic.Int64
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer plain.Close()
	v := newVictim(t)
	other, err := tlsserver.Start(context.Background(), tlsserver.Options{Handler: tlsserver.Files(webroot)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	// The machine would believe the other server.
	v.write("etc/updater/rootca.pem", v.read("etc/updater/rootca.pem")+string(other.AuthorityPEM))
	for _, file := range resources {
		for _, code := range []int{301, 302, 303, 307, 308} {
			for to, base := range map[string]string{"plain HTTP": plain.URL, "another server": other.URL, "itself": v.server.URL, "a file": "file:///etc", "no address": "::"} {
				v.forges(file, status(code, "Location", base+"/"+distDir+"core"))
				v.refuses("ServerError", fmt.Sprint(file, " ", code, " to ", to))
			}
		}
	}
	if n := followed.Load() + int64(len(other.Requests())); n != 0 {
		t.Errorf("%d redirections were followed", n)
	}
	v.updates()
}

// A body without end is read as far as the limit of its kind.
func TestEndlessBody(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for _, file := range []string{versionFile, "core"} {
		for name, piece := range map[string]string{"zeros": "\x00", "text": "version = \"9.9.9\"\n"} {
			v.forges(file, endless(piece))
			v.refuses("ResponseTooLarge", file+" of "+name)
		}
	}
	v.updates()
}

// bomb is what a server that compresses sends for 64 MiB of zeros.
func bomb() string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(make([]byte, 64<<20))
	z.Close()
	return b.String()
}

// Nothing is unpacked, whether or not it says what it is.
func TestCompressed(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	packed := bomb()
	for _, file := range resources {
		for _, coding := range []string{"gzip", "deflate", "br", "zstd", "identity, gzip"} {
			v.forges(file, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", coding)
				io.WriteString(w, packed)
			})
			v.refuses("ServerError", file+" in "+coding)
		}
	}
	for _, r := range v.server.Requests() {
		if coding := r.Header.Get("Accept-Encoding"); coding != "" && coding != "identity" {
			t.Errorf("%q was asked for", coding)
		}
	}
	v.forges("core.sig", body(packed))
	v.refuses("SignatureInvalid", "a bomb that does not say so")
	v.updates()
}

// answers are broken ones, written by hand.
func brokenAnswers() map[string]func(net.Conn) {
	text := func(s string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, s) } }
	again := func(head, s string) func(net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, head)
			for err == nil {
				_, err = io.WriteString(c, s)
			}
		}
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	return map[string]func(net.Conn){
		"not HTTP":                   text(strings.Repeat("\x1b]0;owned\a", 100) + "\n\n"),
		"headers without end":        again(ok, "X-A: "+strings.Repeat("x", 1000)+"\r\n"),
		"a header without end":       again(ok+"X-A: ", strings.Repeat("x", 1000)),
		"a status line without end":  again("HTTP/1.1 200 ", strings.Repeat("x", 1000)),
		"hints without end":          again("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
		"two lengths":                text(ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
		"a length below zero":        text(ok + "Content-Length: -1\r\n\r\nx"),
		"a length beyond numbers":    text(ok + "Content-Length: 99999999999999999999\r\n\r\nx"),
		"a length in hexadecimal":    text(ok + "Content-Length: 0x10\r\n\r\nx"),
		"chunks that are none":       text(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
		"a chunk beyond numbers":     text(ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
		"a coding that nobody knows": text(ok + "Transfer-Encoding: rot13\r\n\r\nx"),
		"a header with a NUL":        text(ok + "X-A: a\x00b\r\nContent-Length: 1\r\n\r\nx"),
		"a header without a name":    text(ok + ": a\r\nContent-Length: 1\r\n\r\nx"),
	}
}

func TestBrokenAnswer(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for name, answer := range brokenAnswers() {
		for _, file := range []string{versionFile, "core"} {
			v.forges(file, getOnly(func(w http.ResponseWriter, _ *http.Request) { raw(w, answer) }))
			v.refuses("ServerError", file+": "+name)
		}
	}
	v.updates()
}

// cutAfter declares a whole content and sends the first bytes of it.
func cutAfter(content string, sizeBytes int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		raw(w, func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: %d\r\n\r\n%s", len(content), content[:sizeBytes])
		})
	}
}

// A length that is not the body's: too large, the server is asked again and
// in the end given up; too small, what arrives is not what was signed.
func TestWrongLength(t *testing.T) {
	t.Parallel()
	core := genuine(t, webroot, "core")
	short := func(w http.ResponseWriter, _ *http.Request) {
		raw(w, func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(core)/2, core)
		})
	}
	v := newVictim(t)
	v.forges("core", getOnly(short))
	v.refuses("SignatureInvalid", "too small")
	v.updates()

	cut := map[string]*victim{versionFile: newVictim(t), "core.sig": newVictim(t), "core": newVictim(t)}
	together(t, cut, func(v *victim, file string) {
		content := core
		if file != "core" {
			content = strings.Repeat("version = \"9.9.9\"\n", 100)
		}
		v.forges(file, getOnly(cutAfter(content, 1000)))
		v.refuses("ServerError", file+" too large")
		v.updates()
	})
}

// A download that was cut is continued with a range. What the server then
// says is the range has to be it, byte for byte.
func TestWrongRange(t *testing.T) {
	t.Parallel()
	core := genuine(t, webroot, "core")
	size, half := len(core), len(core)/2
	wrong := map[string]struct {
		contentRange string
		content      string
	}{
		"from zero":             {fmt.Sprintf("bytes 0-%d/%d", size-1, size), core},
		"from a byte before":    {fmt.Sprintf("bytes %d-%d/%d", half-1, size-1, size), core[half-1:]},
		"from a byte behind":    {fmt.Sprintf("bytes %d-%d/%d", half+1, size-1, size), core[half+1:]},
		"of a longer file":      {fmt.Sprintf("bytes %d-%d/%d", half, size, size+1), core[half:] + "x"},
		"of unknown length":     {fmt.Sprintf("bytes %d-%d/*", half, size-1), core[half:]},
		"without a range":       {"", core[half:]},
		"in other units":        {fmt.Sprintf("lines %d-%d/%d", half, size-1, size), core[half:]},
		"longer than the range": {fmt.Sprintf("bytes %d-%d/%d", half, size-1, size), core[half:] + core},
	}
	victims := map[string]*victim{}
	for name, c := range wrong {
		victims[name] = newVictim(t)
		victims[name].forges("core", getOnly(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "" {
				cutAfter(core, half)(w, r)
				return
			}
			w.Header().Set("ETag", `"a"`)
			if c.contentRange != "" {
				w.Header().Set("Content-Range", c.contentRange)
			}
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, c.content)
		}))
	}
	together(t, victims, func(v *victim, name string) {
		v.refuses("ServerError", name)
		v.updates()
	})
}

// The other half of another file, under the first one's name: what was put
// together is fetched once more in one piece, and refused.
func TestRangeOfAnotherFile(t *testing.T) {
	t.Parallel()
	core := genuine(t, webroot, "core")
	half := len(core) / 2
	v := newVictim(t)
	v.forges("core", getOnly(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			cutAfter(core, half)(w, r)
			return
		}
		w.Header().Set("ETag", `"a"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", half, len(core)-1, len(core)))
		w.WriteHeader(http.StatusPartialContent)
		io.WriteString(w, flipped(core, len(core)-1)[half:])
	}))
	v.refuses("SignatureInvalid", "the other half")
	v.updates()
}
