// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipos/updater/updater"
)

const (
	running = "5.0.0-alpha.1"
	newer   = "5.0.0-alpha.3" // what the sample release in test/webroot is
)

// patience is how long a test waits for what has to come before it fails.
const patience = time.Minute

// manager is a service manager: a socket that takes sd_notify messages.
type manager struct {
	t        *testing.T
	messages chan string
}

// listen makes this process a service of the manager, and every program it
// starts from then on: dbus-daemon says READY=1 too.
func listen(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	m := &manager{t: t, messages: make(chan string, 10_000)}
	go func() {
		defer close(m.messages)
		for buf := make([]byte, 64<<10); ; {
			n, err := socket.Read(buf)
			if err != nil {
				return
			}
			m.messages <- string(buf[:n])
		}
	}()
	t.Cleanup(func() { socket.Close() })
	return m
}

// next returns the next message.
func (m *manager) next() string {
	m.t.Helper()
	select {
	case s := <-m.messages:
		return s
	case <-time.After(patience):
		m.t.Fatal("no message from the daemon")
		return ""
	}
}

// until returns the messages up to the first that begins with prefix, but for
// what feeds the watchdog.
func (m *manager) until(prefix string) (messages []string) {
	m.t.Helper()
	for {
		s := m.next()
		if s != "WATCHDOG=1" || s == prefix {
			messages = append(messages, s)
		}
		if strings.HasPrefix(s, prefix) {
			return messages
		}
	}
}

// mark puts a message of the test's own between those of the daemon.
func mark(t *testing.T, s string) {
	t.Helper()
	if err := notify(s); err != nil {
		t.Error(err)
	}
}

func wantMessages(t *testing.T, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\n\nwant\n%s", g, w)
	}
}

// fakeEngine is an updater that finds nothing and installs anything.
type fakeEngine struct {
	t *testing.T
	// inSwap is closed when an update has got there; it goes on with goOn.
	inSwap, goOn chan struct{}

	mu        sync.Mutex
	record    updater.Record
	recovered bool
}

func newEngine(t *testing.T) *fakeEngine {
	return &fakeEngine{t: t, inSwap: make(chan struct{}), goOn: make(chan struct{})}
}

func (e *fakeEngine) Recover(context.Context) (updater.Recovery, error) {
	mark(e.t, "TEST=recovered")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recovered = true
	return updater.Recovery{}, nil
}

func (e *fakeEngine) Check(context.Context) (updater.Check, error) { return updater.Check{}, nil }
func (e *fakeEngine) Acceptable(context.Context, string) error     { return nil }

func (e *fakeEngine) ConfirmGood([]updater.Installed) (bool, error) { return true, nil }

func (e *fakeEngine) Update(_ context.Context, q updater.Request) (updater.Outcome, error) {
	q.Report(updater.Status{Version: q.Version, Stage: updater.StageSwapping, Progress: 0.9})
	close(e.inSwap)
	<-e.goOn
	q.Report(updater.Status{Version: q.Version, Stage: updater.StageDone, Progress: 1})
	return updater.Outcome{Version: q.Version, Installed: true}, nil
}

func (e *fakeEngine) Plan(context.Context, string) (updater.Plan, error) {
	return updater.Plan{}, updater.ErrNoUpdate
}

func (e *fakeEngine) Rollback(context.Context, string) (updater.Outcome, error) {
	return updater.Outcome{}, updater.ErrUnknownVersion
}

func (e *fakeEngine) MarkBoot(context.Context, bool) error { return nil }

func (e *fakeEngine) Forgive(string, []updater.Installed) error { return updater.ErrUnknownVersion }

func (e *fakeEngine) Installed(context.Context) ([]updater.Installed, error) {
	return nil, nil
}

func (e *fakeEngine) Record() updater.Record {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.record
}

func (e *fakeEngine) Change(change func(*updater.Record)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.record)
	return nil
}

// write makes a file of a fake system.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// makeSystem makes the folder of a system that the sample release can update.
func makeSystem(t *testing.T, url string, authority []byte, publicKey string) string {
	t.Helper()
	root := t.TempDir()
	for path, content := range map[string]string{
		"etc/os-release":                     "ID=clipos\nVERSION_ID=" + running + "\n",
		"etc/machine-id":                     "0123456789abcdef0123456789abcdef\n",
		"etc/updater/remote.toml":            fmt.Sprintf("update_url = \"%s/update/v1\"\ndist_url = \"%[1]s/dist\"\n", url),
		"etc/updater/rootca.pem":             string(authority),
		"run/.keep":                          "",
		"usr/lib/updater/pubkey":             publicKey,
		"volumes/core_" + running:            "what runs",
		"mnt/EFI/clipos-" + running + ".efi": "what boots it",
		"usr/lib/updater/config.toml": `os_name = "clipos"
[core]
backend = "directory"
destination = "/volumes"
size = "2M"
[efiboot]
destination = "/mnt/EFI"
`,
	} {
		write(t, filepath.Join(root, path), content)
	}
	return root
}
