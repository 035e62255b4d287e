// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/tlsserver"
)

// fetcher starts the fetcher of the machine in $ROOT, or with "kill" ends the
// one that runs, by force.
func fetcher(ts *testscript.TestScript, _ bool, args []string) {
	const key = "fetcher"
	if slices.Contains(args, "kill") {
		ts.Value(key).(*atomic.Pointer[activator]).Load().Signal(unix.SIGKILL)
		return
	}
	a, err := activate(ts.Getenv("ROOT"), fetcherOf(ts.Getenv("ROOT"), filepath.Join(programs, "updaterd"))...)
	ts.Check(err)
	ts.Value(key).(*atomic.Pointer[activator]).Store(a)
	ts.Defer(a.Close)
}

// withFetcher makes a machine that can be updated to 5.0.0-alpha.3 let another
// process fetch.
func withFetcher(t *testing.T, o tlsserver.Options) (root string, server *tlsserver.Server, a *activator) {
	t.Helper()
	root = t.TempDir()
	if err := machine.New(root, webroot, "5.0.0-alpha.1", "5.0.0-alpha.0"); err != nil {
		t.Fatal(err)
	}
	server, err := tlsserver.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if err := machine.Connect(root, server); err != nil {
		t.Fatal(err)
	}
	if a, err = activate(root, fetcherOf(root, filepath.Join(programs, "updaterd"))...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		if strings.Contains(a.Stderr.String(), "DATA RACE") {
			t.Error(a.Stderr.String())
		}
	})
	return root, server, a
}

// updateOnce runs an update; options come before what every run has.
func updateOnce(t *testing.T, root string, options ...string) (stderr string, ok bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "updaterd"), append(options, "--root", root, "--once")...)
	var output bytes.Buffer
	cmd.Stderr = &output
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return output.String(), err == nil
}

func throughFetcher(root string) string {
	return "--fetch-socket=" + filepath.Join(root, "run/updater/fetch.sock")
}

// cutOnce drops the first connection that asks for a core image, after some of
// it; then does what is to be done.
func cutOnce(files http.Handler, then func()) http.Handler {
	var done atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "-core") && done.CompareAndSwap(false, true) {
			w = &cut{w, 100 << 10, then}
		}
		files.ServeHTTP(w, r)
	})
}

type cut struct {
	http.ResponseWriter
	leftBytes int
	then      func()
}

func (c *cut) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.leftBytes)])
	if c.leftBytes -= n; err == nil && c.leftBytes == 0 {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		c.then()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// TestFetcherUpdate: an update whose download is interrupted, on either side of
// the fetcher, goes on where it was.
func TestFetcherUpdate(t *testing.T) {
	for name, test := range map[string]struct {
		kill        bool
		wantStarted int
	}{"the server cuts": {false, 1}, "the fetcher is killed": {true, 2}} {
		t.Run(name, func(t *testing.T) {
			var a *activator
			var root string
			known := make(chan struct{}) // closed once a and root are
			then := func() {
				<-known
				if test.kill {
					// What was sent must have arrived, or there is nothing to continue.
					waitForFile(filepath.Join(root, "var/lib/updater/cache/5.0.0-alpha.3-core"), 50<<10)
					a.Signal(unix.SIGKILL)
				}
			}
			var server *tlsserver.Server
			root, server, a = withFetcher(t, tlsserver.Options{Handler: cutOnce(tlsserver.Files(webroot), then)})
			close(known)
			if stderr, ok := updateOnce(t, root, throughFetcher(root)); !ok {
				t.Fatalf("%s\nfetcher:\n%s", stderr, a.Stderr.String())
			}
			checkFinished(t, root)
			continued := false
			for _, r := range server.Requests() {
				continued = continued || strings.HasSuffix(r.Path, "-core") && r.Status == http.StatusPartialContent && r.Header.Get("If-Range") != ""
				if id := r.Header.Get("clipos-machineid"); id != "0123456789abcdef0123456789abcdef" || r.Header.Get("clipos-version") != "5.0.0-alpha.1" {
					t.Errorf("%s asked for by %q", r.Path, id)
				}
			}
			if !continued || a.Started() != test.wantStarted {
				t.Errorf("continued %t, %d fetchers, want %d", continued, a.Started(), test.wantStarted)
			}
		})
	}
}

func waitForFile(path string, atLeastBytes int64) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if info, err := os.Stat(path); err == nil && info.Size() >= atLeastBytes {
			return
		}
	}
}

// TestFetcherErrors: what goes wrong has the same name as in one process, and
// nothing is installed.
func TestFetcherErrors(t *testing.T) {
	files := tlsserver.Files(webroot)
	except := func(suffix string, answer http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, suffix) {
				answer(w, r)
				return
			}
			files.ServeHTTP(w, r)
		})
	}
	for name, test := range map[string]struct {
		options tlsserver.Options
		change  func(root string) error
		want    string
	}{
		"wrong host":   {tlsserver.Options{Handler: files, Certificate: tlsserver.Certificate{Hosts: []string{"192.0.2.1"}}}, nil, "TLSFailed"},
		"expired":      {tlsserver.Options{Handler: files, Certificate: tlsserver.Certificate{NotAfter: time.Now().Add(-time.Hour)}}, nil, "TLSFailed"},
		"no version":   {tlsserver.Options{Handler: except("/version", http.NotFound)}, nil, "ServerError"},
		"no payload":   {tlsserver.Options{Handler: except("-core", http.NotFound)}, nil, "ServerError"},
		"no signature": {tlsserver.Options{Handler: except(".sig", http.NotFound)}, nil, "SignatureInvalid"},
		"redirect": {tlsserver.Options{Handler: except("/version", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		})}, nil, "ServerError"},
		"huge header": {tlsserver.Options{Handler: except("/version", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		})}, nil, "ServerError"},
		"huge document": {tlsserver.Options{Handler: except("/version", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 1<<20))
		})}, nil, "ResponseTooLarge"},
		"no remote.toml": {tlsserver.Options{Handler: files}, func(root string) error { return os.Remove(root + "/etc/updater/remote.toml") }, "ConfigInvalid"},
		"no certificate": {tlsserver.Options{Handler: files}, func(root string) error { return os.Truncate(root+"/etc/updater/rootca.pem", 0) }, "ConfigInvalid"},
		"remote for all": {tlsserver.Options{Handler: files}, func(root string) error { return os.Chmod(root+"/etc/updater/remote.toml", 0o666) }, "ConfigInvalid"},
		"unknown key": {tlsserver.Options{Handler: files}, func(root string) error {
			return os.WriteFile(root+"/etc/updater/remote.toml", []byte("proxy = \"x\"\n"), 0o644)
		}, "ConfigInvalid"},
		"not even a file": {tlsserver.Options{Handler: files}, func(root string) error { return os.RemoveAll(root + "/etc/updater") }, "ConfigInvalid"},
	} {
		t.Run(name, func(t *testing.T) {
			root, _, a := withFetcher(t, test.options)
			if test.change != nil {
				if err := test.change(root); err != nil {
					t.Fatal(err)
				}
			}
			for way, options := range map[string][]string{"one process": nil, "with a fetcher": {throughFetcher(root)}} {
				stderr, ok := updateOnce(t, root, options...)
				if line := errorLine(stderr); ok || !strings.HasSuffix(line, " ("+test.want+")") {
					t.Errorf("%s: %q, want (%s)\nfetcher: %s", way, line, test.want, a.Stderr.String())
				}
			}
			samePrefix(t, filepath.Join(root, "volumes/core_5.0.0-alpha.0"), payload("5.0.0-alpha.0", "core"))
		})
	}
}

func errorLine(stderr string) string {
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "error: ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// TestFetcherMemory: 1 GiB passes through a fetcher that may have 64 MiB. Its
// program is one without the race detector, which needs memory of its own.
func TestFetcherMemory(t *testing.T) {
	const sizeBytes = 1 << 30
	program := plainProgram(t)
	server, err := tlsserver.Start(t.Context(), tlsserver.Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(sizeBytes))
		for block, n := make([]byte, 1<<20), 0; n < sizeBytes; n += len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	root := t.TempDir()
	if err := machine.Connect(root, server); err != nil {
		t.Fatal(err)
	}
	a, err := activate(root, fetcherOf(root, program)...)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()

	c, err := net.Dial("unix", a.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /dist/5.0.0-alpha.3/clipos-core HTTP/1.1\r\nHost: updater-fetch\r\n"+
		"clipos-machineid: 0123456789abcdef0123456789abcdef\r\nclipos-version: 5.0.0-alpha.1\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	begin := time.Now()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != sizeBytes {
		t.Fatalf("%d bytes, %v", n, err)
	}
	took := time.Since(begin)
	peak := peakBytes(t, a.pid())
	if peak > 64<<20 {
		t.Errorf("peak memory %d bytes", peak)
	}
	t.Logf("%d MiB of memory, %.0f MB/s", peak>>20, sizeBytes/1e6/took.Seconds())
}

// peakBytes is the most memory that a process had, see proc(5).
func peakBytes(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var kilobytes int64
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(after, &kilobytes); err != nil {
		t.Fatalf("%v in\n%s", err, status)
	}
	return kilobytes << 10
}

// TestFetcherWithoutSocket is started by hand.
func TestFetcherWithoutSocket(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "updaterd"), "fetch")
	output, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "error: no socket: updater-fetch.socket") {
		t.Errorf("%v: %s", err, output)
	}
}
