// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clipos/updater/cmd/internal/stamp"
	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/test/keys"
	"github.com/clipos/updater/test/tlsserver"
)

// activated is updaterd as a service manager starts it for a socket: when
// somebody connects.
type activated struct {
	*exec.Cmd
	bus    *dbustest.Bus
	dial   func(ctx context.Context, _, _ string) (net.Conn, error)
	client *http.Client
	log    string // a file
}

// activate listens on a Unix socket path or a TCP address and hands it on
// under the name.
func activate(t *testing.T, name, address string) activated {
	t.Helper()
	server, err := tlsserver.Start(t.Context(), tlsserver.Options{Handler: tlsserver.Files("../../test/webroot")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	root := makeSystem(t, server.URL, server.AuthorityPEM, keys.Public())
	network := "tcp"
	if filepath.IsAbs(address) {
		network = "unix"
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	bus := dbustest.Start(t)
	a := activated{
		command(t, "systemd", "systemd-socket-activate",
			"--fdname="+name, "--listen="+address, "--setenv="+roleVariable+"="+roleDaemon, "--setenv="+noRaceDelay, "--",
			self(t), "--root", root, "--bus", bus.Address),
		bus, dial,
		&http.Client{Transport: &http.Transport{DialContext: dial}},
		filepath.Join(t.TempDir(), "log"),
	}
	a.Stderr = create(t, a.log)
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if a.ProcessState == nil {
			_ = a.Process.Kill()
			_ = a.Wait()
		}
	})
	return a
}

// connect has the daemon started.
func (a activated) connect(t *testing.T) (c net.Conn) {
	t.Helper()
	waitFor(t, "the socket", func() bool {
		var err error
		c, err = a.dial(t.Context(), "", "")
		return err == nil
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// get asks until it is answered with success.
func (a activated) get(t *testing.T, path string) string {
	t.Helper()
	var body []byte
	waitFor(t, path, func() bool {
		answer, err := a.client.Get("http://localhost" + path)
		if err != nil {
			return false // nobody listens yet
		}
		defer answer.Body.Close()
		if body, err = io.ReadAll(answer.Body); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode == http.StatusOK
	})
	return string(body)
}

func (a activated) logged(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// end asks the daemon to stop, which is a success.
func (a activated) end(t *testing.T) {
	t.Helper()
	if err := a.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := a.Wait(); err != nil {
		t.Errorf("%v:\n%s", err, a.logged(t))
	}
}

// waitFor asks again and again until it is so.
func waitFor(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func create(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestMetrics(t *testing.T) {
	for name, address := range map[string]string{
		"Unix": filepath.Join(t.TempDir(), "metrics.sock"),
		"TCP":  freeAddress(t),
	} {
		t.Run(name, func(t *testing.T) {
			a := activate(t, metricsName, address)
			if body := a.get(t, "/healthz"); body != "ok\n" {
				t.Errorf("health %q", body)
			}
			body := a.get(t, "/metrics")
			for _, line := range []string{
				fmt.Sprintf(`clipos_updater_info{os="clipos",running=%q,version=%q} 1`, running, stamp.Version(version)),
				`clipos_updater_state{state="idle"} 1`,
			} {
				if !strings.Contains(body, line+"\n") {
					t.Errorf("no line %s in\n%s", line, body)
				}
			}
			a.end(t)
			if log := a.logged(t); strings.Contains(log, "level=ERROR") {
				t.Errorf("logged\n%s", log)
			}
		})
	}
}

// TestMetricsOfAnUpdate: what the server has sent is what was counted.
func TestMetricsOfAnUpdate(t *testing.T) {
	a := activate(t, metricsName, filepath.Join(t.TempDir(), "metrics.sock"))
	a.get(t, "/healthz")
	awaitName(t, a.bus)
	if _, err := dial(t, a.bus).Update(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	var body string
	waitFor(t, "the end of the update", func() bool {
		body = a.get(t, "/metrics")
		return strings.Contains(body, `clipos_updater_transactions_total{result="installed"} 1`)
	})
	var bytes int64
	for _, name := range []string{"clipos-core", "clipos-efiboot"} {
		info, err := os.Stat(filepath.Join("../../test/webroot/dist", newer, name))
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	for _, line := range []string{
		fmt.Sprintf(`clipos_updater_fetched_bytes_total %v`, float64(bytes)),
		fmt.Sprintf(`clipos_updater_version_info{role="pending",version=%q} 1`, newer),
		`clipos_updater_state{state="reboot-required"} 1`,
		`clipos_updater_update_duration_seconds_count{result="installed"} 1`,
		`clipos_updater_stage_duration_seconds_count{stage="swapping"} 1`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no line %s in\n%s", line, body)
		}
	}
	a.end(t)
}

// TestWrongSocket: a mistake in a unit costs the metrics, and says so.
func TestWrongSocket(t *testing.T) {
	tests := []struct {
		name, fdName string
		listen       string
		log          string
	}{
		{"another name", "fetch", filepath.Join(t.TempDir(), "fetch.sock"), `name=fetch error="FileDescriptorName=metrics is needed"`},
		{
			"every address", metricsName, strings.Replace(freeAddress(t), "127.0.0.1", "0.0.0.0", 1),
			"not a local address: a Unix socket or a loopback address is needed",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := activate(t, test.fdName, test.listen)
			c := a.connect(t)
			fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
			waitFor(t, "the log", func() bool { return strings.Contains(a.logged(t), test.log) })
			a.end(t)
			if n, _ := c.Read(make([]byte, 1)); n != 0 {
				t.Error("it answered")
			}
		})
	}
}

// TestNoSocket: nobody is told of metrics that nobody can read.
func TestNoSocket(t *testing.T) {
	if l := inherited(slog.New(slog.DiscardHandler)); len(l) != 0 {
		t.Errorf("%d listeners out of nothing", len(l))
	}
}
