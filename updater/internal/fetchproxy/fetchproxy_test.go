// SPDX-License-Identifier: LGPL-2.1-or-later

package fetchproxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipos/updater/updater/internal/fetch"
)

// upstream is a server that answers without a network, and remembers what it was
// asked.
type upstream struct {
	answer func(*http.Request) (*http.Response, error)

	mu       sync.Mutex
	requests []*http.Request
}

func (u *upstream) asked() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.requests
}

func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	u.mu.Lock()
	u.requests = append(u.requests, r)
	u.mu.Unlock()
	if u.answer != nil {
		return u.answer(r)
	}
	return respond(r, http.StatusOK, strings.NewReader("content")), nil
}

func respond(r *http.Request, status int, body io.Reader) *http.Response {
	return &http.Response{StatusCode: status, ContentLength: -1, Header: http.Header{}, Body: io.NopCloser(body), Request: r}
}

// start serves an upstream on a socket.
func start(t *testing.T, u *upstream) (socket string, reported *[]error) {
	t.Helper()
	reported = new([]error)
	p := New("https://update.example/u/v1", "https://dist.example/d", u, fetch.Limits{}, func(err error) { *reported = append(*reported, err) })
	return listen(t, newServer(p, time.Hour)), reported
}

func listen(t *testing.T, s *server) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "fetch.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return socket
}

// reply is an answer, as far as it came.
type reply struct {
	status int
	header http.Header
	body   string
}

// send writes a request as it is and returns the answer, nil when the connection
// was closed without one.
func send(t *testing.T, socket, request string) *reply {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	// Who is not wanted may be closed before all of it is written.
	_, _ = io.WriteString(c, request)
	return receive(c)
}

func receive(c net.Conn) *reply {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return &reply{resp.StatusCode, resp.Header, string(body)}
}

const identity = "clipos-machineid: 0123456789abcdef0123456789abcdef\r\nclipos-version: 5.0.0-alpha.1\r\n"

func get(target, header string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: updater-fetch\r\n%s%s\r\n", target, identity, header)
}

// longestPatch has a product of 32 bytes and a version of 64.
var longestPatch = strings.Repeat("p", 32) + "-core.from-1.0.0-" + strings.Repeat("a-", 29) + ".patch.sig"

func TestWhatIsAskedFor(t *testing.T) {
	for target, want := range map[string]string{
		"/update/clipos/version":                       "https://update.example/u/v1/clipos/version",
		"/dist/5.0.0-alpha.3/clipos-core":              "https://dist.example/d/5.0.0-alpha.3/clipos-core",
		"/dist/5.0.0-alpha.3/my-os2-efiboot.sig":       "https://dist.example/d/5.0.0-alpha.3/my-os2-efiboot.sig",
		"/dist/5.0.0-alpha.3/clipos-core.zst":          "https://dist.example/d/5.0.0-alpha.3/clipos-core.zst",
		"/dist/5.0.0/" + longestPatch:                  "https://dist.example/d/5.0.0/" + longestPatch,
		"/dist/5.0.0/" + strings.Repeat("x", 128):      "https://dist.example/d/5.0.0/" + strings.Repeat("x", 128),
		"/dist/5.0.0/" + strings.Repeat("x", 129):      "",
		"/dist/" + strings.Repeat("x", 100_000) + "/x": "", // more than a header may have
		"/":                              "",
		"/update":                        "",
		"/update/clipos":                 "",
		"/update/clipos/version/":        "",
		"/update/clipos/version/x":       "",
		"/updates/clipos/version":        "",
		"/dist//clipos-core":             "",
		"//dist/5.0.0/clipos-core":       "",
		"/dist/../clipos-core":           "",
		"/dist/5.0.0/..":                 "",
		"/dist/5.0.0/.":                  "",
		"/dist/5.0.0/.hidden":            "",
		"/dist/5.0.0/core..sig":          "",
		"/dist/5.0.0/core.":              "",
		"/dist/5.0.0/%2e%2e":             "",
		"/dist/5.0.0/a%2fb":              "",
		"/dist/5.0.0/clipos-core?x=1":    "",
		"/dist/5.0.0/clipos-core?":       "",
		"/dist/5.0.0/clipos-core#x":      "",
		"/dist/5.0.0/clipos-core;x":      "",
		"/dist/5.0.0/clipos@core":        "",
		"/dist/5.0.0/-core":              "",
		"/dist/5.0.0/core\\x":            "",
		"/DIST/5.0.0/clipos-core":        "",
		"http://other.example/dist/a/b":  "",
		"https://update.example/dist/ab": "",
		"*":                              "",
	} {
		t.Run(fmt.Sprintf("%.40s", target), func(t *testing.T) {
			u := &upstream{}
			socket, _ := start(t, u)
			resp := send(t, socket, get(target, ""))
			if want == "" {
				if len(u.asked()) > 0 || resp != nil && resp.status < 400 {
					t.Errorf("asked for %v", u.asked())
				}
				return
			}
			if resp == nil || len(u.asked()) != 1 || u.asked()[0].URL.String() != want {
				t.Fatalf("answered %v, asked for %v, want %s", resp, u.asked(), want)
			}
			if _, guessed := resp.header["Content-Type"]; guessed || resp.body != "content" {
				t.Errorf("answered %v", resp)
			}
		})
	}
}

func TestRequestsRefused(t *testing.T) {
	const target = "/dist/5.0.0/clipos-core"
	post := strings.Replace(get(target, ""), "GET", "POST", 1)
	for name, test := range map[string]struct {
		request string
		status  int
	}{
		"POST":                      {post, http.StatusMethodNotAllowed},
		"CONNECT":                   {strings.Replace(post, "POST "+target, "CONNECT other.example:443", 1), http.StatusMethodNotAllowed},
		"body":                      {get(target, "Content-Length: 3\r\n") + "abc", http.StatusBadRequest},
		"body in chunks":            {get(target, "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", http.StatusBadRequest},
		"no machine":                {strings.Replace(get(target, ""), "machineid", "machine", 1), http.StatusBadRequest},
		"no version":                {strings.Replace(get(target, ""), "clipos-version", "version", 1), http.StatusBadRequest},
		"two machines":              {get(target, identity[:52]+"\r\n"), http.StatusBadRequest},
		"machine of another form":   {strings.Replace(get(target, ""), "0123456789abcdef\r", "0123456789abcdeg\r", 1), http.StatusBadRequest},
		"version of another form":   {strings.Replace(get(target, ""), "5.0.0-alpha.1\r", "five\r", 1), http.StatusBadRequest},
		"version with metadata":     {strings.Replace(get(target, ""), "alpha.1\r", "alpha.1+x\r", 1), http.StatusBadRequest},
		"range from the end":        {get(target, "Range: bytes=-5\r\n"), http.StatusBadRequest},
		"range to somewhere":        {get(target, "Range: bytes=5-9\r\n"), http.StatusBadRequest},
		"many ranges":               {get(target, "Range: bytes=5-,7-\r\n"), http.StatusBadRequest},
		"two ranges":                {get(target, "Range: bytes=5-\r\nRange: bytes=7-\r\n"), http.StatusBadRequest},
		"long validator":            {get(target, "If-Range: "+strings.Repeat("x", 257)+"\r\n"), http.StatusBadRequest},
		"header larger than ours":   {get(target, "X: "+strings.Repeat("x", 3*maxHeaderBytes)+"\r\n"), http.StatusRequestHeaderFieldsTooLarge},
		"a request that is no HTTP": {"GET\x00\r\n\r\n", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			u := &upstream{}
			socket, _ := start(t, u)
			resp := send(t, socket, test.request)
			if resp == nil || resp.status != test.status || len(u.asked()) != 0 {
				t.Errorf("answer %v, want %d; asked %v", resp, test.status, u.asked())
			}
		})
	}
}

// TestHeadersOut: who asks and from where, and not a header more.
func TestHeadersOut(t *testing.T) {
	u := &upstream{}
	socket, _ := start(t, u)
	send(t, socket, get("/dist/5.0.0/clipos-core", "Range: bytes=5-\r\nIf-Range: \"tag\"\r\nCookie: a=b\r\nAuthorization: x\r\nX-Forwarded-For: y\r\n"))
	want := http.Header{
		"Clipos-Machineid": {"0123456789abcdef0123456789abcdef"}, "Clipos-Version": {"5.0.0-alpha.1"},
		"Range": {"bytes=5-"}, "If-Range": {`"tag"`}, "Accept-Encoding": {"identity"},
	}
	if got := u.asked()[0].Header; fmt.Sprint(got) != fmt.Sprint(want) || u.asked()[0].Host != "dist.example" {
		t.Errorf("headers %v to %s, want %v", got, u.asked()[0].Host, want)
	}
}

func TestHeadersBack(t *testing.T) {
	u := &upstream{answer: func(r *http.Request) (*http.Response, error) {
		resp := respond(r, http.StatusFound, strings.NewReader("moved"))
		resp.ContentLength = 5
		resp.Header = http.Header{
			"Location": {"http://other.example"}, "Set-Cookie": {"a=b"}, "Etag": {`"tag"`}, "Content-Range": {"a", "b"},
			"Last-Modified": {"then"}, "Accept-Ranges": {"bytes"}, "Content-Encoding": {"gzip"}, "Server": {"x"},
			// What only a fetcher may say.
			"Updater-Fetch-Failure": {"TLSFailed"}, "Updater-Fetch-Length": {"7"}, "Trailer": {"x"},
		}
		return resp, nil
	}}
	socket, _ := start(t, u)
	resp := send(t, socket, get("/dist/5.0.0/clipos-core", ""))
	want := []string{"Accept-Ranges", "Connection", "Content-Encoding", "Content-Length", "Content-Range", "Etag", "Last-Modified", "Updater-Fetch-Length"}
	var got []string
	for name := range resp.header {
		got = append(got, name)
	}
	slices.Sort(got)
	// net/http keeps Connection to itself.
	want = slices.DeleteFunc(want, func(name string) bool { return name == "Connection" && !slices.Contains(got, name) })
	if !slices.Equal(got, want) || resp.status != http.StatusFound {
		t.Errorf("status %d, headers %q, want %q", resp.status, got, want)
	}
	if got := resp.header["Updater-Fetch-Length"]; !slices.Equal(got, []string{"5"}) {
		t.Errorf("length %q", got)
	}
	if resp.body != "" {
		t.Errorf("body %q", resp.body)
	}
}

// TestStatusBelow200 has an answer that would end net/http's server.
func TestStatusBelow200(t *testing.T) {
	u := &upstream{answer: func(r *http.Request) (*http.Response, error) { return respond(r, 42, strings.NewReader("")), nil }}
	socket, reported := start(t, u)
	resp := send(t, socket, get("/dist/5.0.0/clipos-core", ""))
	if resp == nil || resp.status != http.StatusBadGateway || resp.header.Get("Updater-Fetch-Failure") != "ServerError" {
		t.Errorf("answer %v", resp)
	}
	if len(*reported) != 1 || !errors.Is((*reported)[0], fetch.ErrServer) {
		t.Errorf("reported %v", *reported)
	}
}

func TestRefuse(t *testing.T) {
	socket := listen(t, newServer(Refuse(fmt.Errorf("%w: remote.toml:1: bad \x1b\n\"key\"", fetch.ErrConfig)), time.Hour))
	resp := send(t, socket, get("/update/clipos/version", ""))
	if resp == nil || resp.status != http.StatusBadGateway || resp.header.Get("Updater-Fetch-Failure") != "ConfigInvalid" {
		t.Fatalf("answer %v", resp)
	}
	if reason := resp.header.Get("Updater-Fetch-Reason"); reason != `"remote.toml:1: bad \x1b\n\"key\""` {
		t.Errorf("reason %s", reason)
	}
}

// TestIdle: a server ends when nobody has been connected for its time, not while
// somebody is, and what comes too late is left in the socket.
func TestIdle(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "fetch.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	keep, err := l.(*net.UnixListener).File() // the service manager's
	if err != nil {
		t.Fatal(err)
	}
	defer keep.Close()
	entered, goOn := make(chan bool), make(chan bool)
	s := newServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- true
		<-goOn
	}), 50*time.Millisecond)
	served := make(chan error, 1)
	go func() { served <- s.serve(t.Context(), l) }()
	answered := make(chan *reply)
	go func() { answered <- send(t, socket, get("/", "")) }()
	<-entered
	time.Sleep(200 * time.Millisecond)
	select {
	case err := <-served:
		t.Fatalf("ended under a request: %v", err)
	default:
	}
	close(goOn)
	if resp := <-answered; resp == nil || resp.status != http.StatusOK {
		t.Errorf("answer %v", resp)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	// The next is served by the next.
	again, err := net.FileListener(keep)
	if err != nil {
		t.Fatal(err)
	}
	go func() { answered <- send(t, socket, get("/", "")) }()
	next := newServer(http.NotFoundHandler(), 50*time.Millisecond)
	if err := next.serve(t.Context(), again); err != nil {
		t.Error(err)
	}
	if resp := <-answered; resp == nil || resp.status != http.StatusNotFound {
		t.Errorf("answer %v", resp)
	}
}

// TestConnectionsAreBounded: one too many is closed, and there is room again when
// one has ended.
func TestConnectionsAreBounded(t *testing.T) {
	release := make(chan bool)
	socket := listen(t, newServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }), time.Hour))
	var held []net.Conn
	for range maxConnections {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, get("/dist/5.0.0/clipos-core", ""))
		held = append(held, c)
	}
	if resp := send(t, socket, get("/dist/5.0.0/clipos-core", "")); resp != nil {
		t.Errorf("one too many was answered: %v", resp)
	}
	close(release)
	for _, c := range held {
		if resp := receive(c); resp == nil || resp.status != http.StatusOK {
			t.Errorf("answer %v", resp)
		}
		c.Close()
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if resp := send(t, socket, get("/dist/5.0.0/clipos-core", "")); resp != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no room again")
		}
	}
}

// TestDaemonGone: a request ends with its connection.
func TestDaemonGone(t *testing.T) {
	ended := make(chan error, 1)
	asked := make(chan bool)
	u := &upstream{answer: func(r *http.Request) (*http.Response, error) {
		close(asked)
		<-r.Context().Done()
		ended <- r.Context().Err()
		return nil, r.Context().Err()
	}}
	socket, _ := start(t, u)
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, get("/dist/5.0.0/clipos-core", ""))
	<-asked
	c.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestMain(m *testing.M) {
	if socket := os.Getenv(strangerVariable); socket != "" {
		os.Exit(beStranger(socket))
	}
	os.Exit(m.Run())
}
