// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// fleetLog is five requests of three machines on two days, one line that is
// damaged and one with what a terminal would obey.
const fleetLog = `{"time":"2026-11-01T10:00:00+00:00","machine":"0123456789abcdef0123456789abcdef","version":"5.0.0","channel":"stable","offered":"5.1.0","path":"/update/v1/clipos/version","status":"200","bytes":18}
{"time":"2026-11-01T10:00:01+00:00","machine":"0123456789abcdef0123456789abcdef","version":"5.0.0","channel":"stable","offered":"5.1.0","path":"/dist/5.1.0/clipos-core.from-5.0.0.patch","status":"200","bytes":6900000}
{"time":"2026-11-01T11:00:00+00:00","machine":"1123456789abcdef0123456789abcdef","version":"5.0.0","channel":"stable","offered":"5.0.0","path":"/update/v1/clipos/version","status":"200","bytes":18}
{"time":"2026-11-01T12:00:00+00:00","machine":"2123456789abcdef0123456789abcdef","version":"\u001b[31m5.0.0","channel":"\u001b[31m","offered":"5.0.0","path":"/\u001b[31m","status":"404","bytes":150}
{"time":"2026-11-02T10:00:00+00:00","machine":"0123456789abcdef0123456789abcdef","version":"5.1.0","channel":"stable","offered":"5.1.0","path":"/update/v1/clipos/version","status":"200","bytes":18}
{"time":"2026-11-02T1
`

func TestFleet(t *testing.T) {
	status, out, log := runProgram(t, fleetLog, "fleet", "--days", "1", "-")
	want := `requests from 2026-11-01 10:00:00 to 2026-11-02 10:00:00 UTC; machines seen in the last 1 days: 1, not seen for longer: 2

VERSION  MACHINES  SHARE    stable
5.1.0    1         100.0 %  1

OFFERED  CHANNEL  MACHINES  RUN IT  SHARE    WAITED 7 DAYS
5.1.0    stable   1         1       100.0 %  0

DAY         5.1.0
2026-11-01  0
2026-11-02  1

SERVED      check  plain  zst  patch   signature  other
2026-11-01  36 B   0 B    0 B  6.9 MB  0 B        150 B
2026-11-02  18 B   0 B    0 B  0 B     0 B        0 B

NOT SEEN                          SINCE                VERSION  CHANNEL
1123456789abcdef0123456789abcdef  2026-11-01 11:00:00  5.0.0    stable
2123456789abcdef0123456789abcdef  2026-11-01 12:00:00  unknown  unknown

REQUESTS                    5
answered with an error      1
damaged lines, passed over  1

`
	if status != exitOK || out != want || log != "" {
		t.Errorf("status %d, %s\n%s", status, log, out)
	}
}

// TestFleetFiles: logs as logrotate leaves them.
func TestFleetFiles(t *testing.T) {
	folder := t.TempDir()
	half := strings.Index(fleetLog, "\n{\"time\":\"2026-11-02") + 1
	var old bytes.Buffer
	z := gzip.NewWriter(&old)
	if _, err := z.Write([]byte(fleetLog[:half])); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	current, rotated, cut := filepath.Join(folder, "updater.log"), filepath.Join(folder, "updater.log.1.gz"), filepath.Join(folder, "cut.gz")
	writeFile(t, current, fleetLog[half:])
	writeFile(t, rotated, old.String())
	writeFile(t, cut, old.String()[:20])
	status, out, log := runProgram(t, "", "fleet", "--json", current, rotated, cut)
	if status != exitOK {
		t.Fatalf("status %d: %s", status, log)
	}
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if report["active_machines"] != 3.0 || report["to"] != "2026-11-02T10:00:00Z" || strings.Contains(out, "\x1b") {
		t.Error(out)
	}
	if want := "warning: " + cut + ": read only as far as it can be read: unexpected EOF\n"; log != want {
		t.Errorf("%q, want %q", log, want)
	}
}

func TestFleetPage(t *testing.T) {
	status, out, log := runProgram(t, fleetLog, "--product", "clipos", "fleet", "--html", "-")
	if status != exitOK || !strings.HasPrefix(out, "<!DOCTYPE html>\n") || !strings.Contains(out, "<h1>Update fleet: clipos</h1>") || strings.Contains(out, "\x1b") {
		t.Errorf("status %d, %s\n%s", status, log, out)
	}
}

// TestFleetAndNginxRefused has command lines that are wrong.
func TestFleetAndNginxRefused(t *testing.T) {
	folder := t.TempDir()
	channels := filepath.Join(folder, "channels.toml")
	writeFile(t, channels, staged(10))
	for _, c := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"no log", []string{"fleet"}, exitUsage, "error: fleet: LOG is missing\n"},
		{"empty log", []string{"fleet", ""}, exitUsage, "error: fleet: the log is empty\n"},
		{"days of none", []string{"fleet", "--days", "0", "-"}, exitUsage, `error: fleet: invalid value "0" for flag -days: not a number from 1 to 3660` + "\n"},
		{"days as a word", []string{"fleet", "--days", "x", "-"}, exitUsage, `error: fleet: invalid value "x" for flag -days: not a number from 1 to 3660` + "\n"},
		{"page and JSON", []string{"fleet", "--html", "--json", "-"}, exitError, "error: a page or JSON, not both\n"},
		{"log that is not there", []string{"fleet", "-", folder + "/none"}, exitError, "error: open " + folder + "/none: no such file or directory\n"},
		{"certificate left out", []string{"nginx", "--channels", channels, "--certificate-key", "/k"}, exitError, "error: clients speak TLS only: --certificate and --certificate-key must name its files on the server\n"},
		{"channels that are not there", []string{"nginx", "--channels", folder + "/none", "--certificate-key", "/k", "--certificate", "/c"}, exitError, "error: stat " + folder + "/none: no such file or directory\n"},
		{"another product", []string{"nginx", "--channels", channels, "--product", "x", "--certificate-key", "/k", "--certificate", "/c"}, exitError, "error: " + channels + " is of another product: clipos\n"},
		{"relative key", []string{"nginx", "--channels", channels, "--certificate-key", "k", "--certificate", "/c"}, exitError, `error: file "k": not for an nginx configuration: not an absolute name` + "\n"},
		{"unexpected word", []string{"nginx", "x"}, exitUsage, "error: nginx: unexpected argument \"x\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, out, log := runProgram(t, "", c.args...)
			first, _, _ := strings.Cut(log, "hint: ")
			if status != c.status || out != "" || first != c.want {
				t.Errorf("status %d, %q, want %d, %q", status, first, c.status, c.want)
			}
		})
	}
}
