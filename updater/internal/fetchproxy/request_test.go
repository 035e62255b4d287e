// SPDX-License-Identifier: LGPL-2.1-or-later

package fetchproxy

import (
	"bufio"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

const goodRequest = "GET /dist/5.0.0/clipos-core HTTP/1.1\r\nHost: x\r\n" +
	"clipos-machineid: 0123456789abcdef0123456789abcdef\r\nclipos-version: 5.0.0-alpha.1\r\n"

// FuzzRequest reads what somebody sends to the socket, as net/http does, and
// holds what is passed on to one meaning: a file two folders below a root, and
// no header but the four that the daemon sends.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		goodRequest + "\r\n",
		goodRequest + "Range: bytes=5-\r\nIf-Range: \"x\"\r\n\r\n",
		goodRequest + "Range: bytes=5-\r\nrange: bytes=6-\r\n\r\n",
		goodRequest + "Content-Length: 1\r\n\r\nx",
		goodRequest + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		strings.Replace(goodRequest, "/dist/5.0.0/", "/dist/../", 1) + "\r\n",
		strings.Replace(goodRequest, "/dist/", "https://elsewhere/dist/", 1) + "\r\n",
		strings.Replace(goodRequest, "-core ", "-core?x=%2e%2e ", 1) + "\r\n",
		strings.Replace(goodRequest, "GET", "HEAD", 1) + "\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		q, status := parse(r)
		if status != 0 {
			if status < 400 || status > 499 {
				t.Fatalf("%q is refused with %d", text, status)
			}
			return
		}
		asked, err := url.Parse("https://server/root" + q.path)
		if err != nil || asked.Host != "server" || asked.Path != "/root"+q.path || path.Clean(q.path) != q.path || strings.Count(q.path, "/") != 2 {
			t.Fatalf("%q leads to %v, %v", q.path, asked, err)
		}
		if q.root != "update" && q.root != "dist" || r.RequestURI != "/"+q.root+q.path {
			t.Fatalf("%q is %q below %q", r.RequestURI, q.path, q.root)
		}
		for name, values := range q.header {
			if len(values) != 1 || strings.ContainsFunc(values[0], func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Fatalf("%s: %q", name, values)
			}
		}
		known := []string{"Clipos-Machineid", "Clipos-Version", "If-Range", "Range"}
		for _, name := range slices.Sorted(maps.Keys(q.header)) {
			if !slices.Contains(known, name) {
				t.Fatalf("%s is passed on", name)
			}
		}
	})
}
