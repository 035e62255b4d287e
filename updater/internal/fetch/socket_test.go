// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipos/updater/updater/internal/fetch"
)

// fetcher is a process that answers as the test likes, at a socket below root.
func fetcher(t *testing.T, answer http.HandlerFunc) (root, path string) {
	t.Helper()
	root = t.TempDir()
	path = filepath.Join(root, "run/updater/fetch.sock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: answer}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return root, path
}

func ask(t *testing.T, path, root string) error {
	t.Helper()
	_, err := fetch.New(fetch.NewSocketTransport(path, root, quick()), identity, quick()).
		Document(t.Context(), fetch.FetcherURL+"/update/clipos/version", 100)
	return err
}

// TestSocketTrust: what somebody else could have put in the fetcher's place is
// not asked, and everything else is.
func TestSocketTrust(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const stranger = 4242
	for name, test := range map[string]struct {
		change func(path string) error
		want   error
		text   string
	}{
		"as systemd makes it": {func(path string) error { return os.Chmod(path, 0o600) }, nil, ""},
		"anybody may connect": {func(path string) error { return os.Chmod(path, 0o777) }, nil, ""},
		"socket of another user": {
			func(path string) error { return os.Chown(path, stranger, 0) },
			fetch.ErrConfig, "belongs to user 4242, must belong to root",
		},
		"folder of another user": {
			func(path string) error { return os.Chown(filepath.Dir(path), stranger, 0) },
			fetch.ErrConfig, "belongs to user 4242, must belong to root",
		},
		"folder above of another user": {
			func(path string) error { return os.Chown(filepath.Dir(filepath.Dir(path)), stranger, 0) },
			fetch.ErrConfig, "belongs to user 4242, must belong to root",
		},
		"folder for everybody": {
			func(path string) error { return os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky) },
			fetch.ErrConfig, "mode 1777 lets others write",
		},
		"folder for a group": {
			func(path string) error { return os.Chmod(filepath.Dir(path), 0o775) },
			fetch.ErrConfig, "mode 0775 lets others write",
		},
		"link": {
			func(path string) error {
				return errors.Join(os.Rename(path, path+".2"), os.Symlink(path+".2", path))
			},
			fetch.ErrConfig, "not a socket",
		},
		"folder a link": {
			func(path string) error {
				folder := filepath.Dir(path)
				return errors.Join(os.Rename(folder, folder+".2"), os.Symlink(folder+".2", folder))
			},
			fetch.ErrConfig, "not a folder",
		},
		"file": {
			func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
			fetch.ErrConfig, "not a socket",
		},
		"not there": {os.Remove, fetch.ErrNetwork, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			root, path := fetcher(t, func(http.ResponseWriter, *http.Request) { asked++ })
			if err := test.change(path); err != nil {
				t.Fatal(err)
			}
			err := ask(t, path, root)
			if !errors.Is(err, test.want) {
				t.Fatalf("error %v, want %v", err, test.want)
			}
			if err != nil && (!strings.Contains(err.Error(), test.text) || asked > 0) {
				t.Errorf("%v after %d requests, want %q", err, asked, test.text)
			}
		})
	}
}

// TestNobodyListens: a socket that is left over.
func TestNobodyListens(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "fetch.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if err := ask(t, path, root); !errors.Is(err, fetch.ErrNetwork) {
		t.Errorf("error %v, want %v", err, fetch.ErrNetwork)
	}
}

// TestTold: what a fetcher says is a name from a list, and a text that is not
// trusted.
func TestTold(t *testing.T) {
	for name, test := range map[string]struct {
		failure, reason string
		want            error
		wantRequests    int
	}{
		"network":        {"NetworkUnavailable", "why", fetch.ErrNetwork, 5},
		"TLS":            {"TLSFailed", "why", fetch.ErrTLS, 1},
		"slow":           {"TooSlow", "why", fetch.ErrTooSlow, 5},
		"server":         {"ServerError", "why", fetch.ErrServer, 1},
		"configuration":  {"ConfigInvalid", "why", fetch.ErrConfig, 1},
		"unknown":        {"SignatureInvalid", "why", fetch.ErrServer, 1},
		"other spelling": {"tlsfailed", "why", fetch.ErrServer, 1},
		"hostile":        {"x" + strings.Repeat("\x1b]0;", 1000), strings.Repeat("\x1b\a", 2000), fetch.ErrServer, 1},
		"empty":          {"", "", fetch.ErrServer, 1},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			root, path := fetcher(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.Header().Set("Updater-Fetch-Failure", test.failure)
				w.Header().Set("Updater-Fetch-Reason", test.reason)
				fmt.Fprint(w, "version = \"9.0.0\"")
			})
			err := ask(t, path, root)
			if !errors.Is(err, test.want) || asked != test.wantRequests {
				t.Errorf("%v after %d requests, want %v after %d", err, asked, test.want, test.wantRequests)
			}
			checkText(t, err, fetch.FetcherURL)
		})
	}
}

// TestToldBehindTheBody: what came before is kept, and never the whole file.
func TestToldBehindTheBody(t *testing.T) {
	for failure, want := range map[string]error{"TLSFailed": fetch.ErrTLS, "": fetch.ErrServer, "anything": fetch.ErrServer} {
		root, path := fetcher(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "Updater-Fetch-Failure")
			w.Write(truth[:1000])
			w.(http.Flusher).Flush()
			w.Header().Set("Updater-Fetch-Failure", failure)
		})
		dst := &file{t: t}
		client := fetch.New(fetch.NewSocketTransport(path, root, quick()), identity, quick())
		if err := client.File(t.Context(), fetch.FetcherURL+"/dist/5.0.1/core", dst, limitBytes, nil); !errors.Is(err, want) {
			t.Errorf("%q: error %v, want %v", failure, err, want)
		}
		dst.holds(truth[:1000])
	}
}

// TestToldLength: the length the server declared is as binding as in one process.
func TestToldLength(t *testing.T) {
	for name, test := range map[string]struct {
		said []string
		want error
		held int
	}{
		"right":             {[]string{"1000"}, nil, 1000},
		"none":              {nil, nil, 1000},
		"too short":         {[]string{"999"}, fetch.ErrServer, 999},
		"too long":          {[]string{"1001"}, fetch.ErrServer, 1000},
		"more than allowed": {[]string{"100001"}, fetch.ErrTooLarge, 0},
		"twice":             {[]string{"1000", "1000"}, fetch.ErrServer, 0},
		"negative":          {[]string{"-1"}, fetch.ErrServer, 0},
		"empty":             {[]string{""}, fetch.ErrServer, 0},
		"no number":         {[]string{"many"}, fetch.ErrServer, 0},
		"beyond int64":      {[]string{"99999999999999999999"}, fetch.ErrServer, 0},
	} {
		t.Run(name, func(t *testing.T) {
			root, path := fetcher(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Updater-Fetch-Length"] = test.said
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				w.Write(truth[:1000])
			})
			dst := &file{t: t}
			client := fetch.New(fetch.NewSocketTransport(path, root, quick()), identity, quick())
			err := client.File(t.Context(), fetch.FetcherURL+"/dist/5.0.1/core", dst, limitBytes, nil)
			if !errors.Is(err, test.want) || len(dst.data) != test.held {
				t.Errorf("error %v with %d bytes, want %v with %d", err, len(dst.data), test.want, test.held)
			}
		})
	}
}
