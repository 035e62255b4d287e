// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"testing"

	"github.com/clipos/updater/updater"
)

func TestRun(t *testing.T) {
	empty := t.TempDir()
	tests := []struct {
		name           string
		args           []string
		status         int
		stdout, stderr string
	}{
		{"help", []string{"--help"}, exitOK, `^Usage: updaterd `, `^$`},
		{"version", []string{"--version"}, exitOK, `^updaterd \S+\n$`, `^$`},
		{"unknown option", []string{"--now"}, exitUsage, `^$`, `^error: .*now\nhint: updaterd --help lists the options\n$`},
		{"argument", []string{"5.0.0"}, exitUsage, `^$`, `^error: unexpected argument "5.0.0"\nhint: `},
		{"option after an argument", []string{"once", "--once"}, exitUsage, `^$`, `^error: unexpected argument "once"\n`},
		{"relative socket", []string{"--fetch-socket", "x"}, exitUsage, `^$`, `^error: --fetch-socket "x" is not an absolute path\n`},
		{"fetch with the daemon's options", []string{"fetch", "--once"}, exitUsage, `^$`, `^error: --once is not an option of updaterd fetch\n`},
		{"fetch with an argument", []string{"fetch", "fetch"}, exitUsage, `^$`, `^error: unexpected argument "fetch"\n`},
		{"fetch without a socket", []string{"fetch"}, exitError, `^$`, `^error: no socket: updater-fetch.socket `},
		{"fetch, help", []string{"fetch", "--help"}, exitOK, `^Usage: updaterd `, `^$`},
		{"no configuration", []string{"--root", empty}, exitError, `^$`, `(?m)^error: .* \(ConfigInvalid\)$`},
		{"no configuration, once", []string{"--root", empty, "--once"}, exitError, `^$`, `(?m)^error: .* \(ConfigInvalid\)$`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if status := run(t.Context(), test.args, &stdout, &stderr); status != test.status {
				t.Errorf("exit status %d, want %d", status, test.status)
			}
			wantMatch(t, stdout.String(), test.stdout)
			wantMatch(t, stderr.String(), test.stderr)
		})
	}
}

func wantMatch(t *testing.T, got, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(got) {
		t.Errorf("%q does not match %s", got, pattern)
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want options
	}{
		{"defaults", nil, options{
			paths: updater.NewPaths("/", "", "", ""), bus: "unix:path=/run/dbus/system_bus_socket",
		}},
		{"a fake system has a bus of its own", []string{"--root", "/fake"}, options{
			paths: updater.NewPaths("/fake", "", "", ""), bus: "unix:path=/fake/run/dbus/system_bus_socket",
		}},
		{"everything", []string{
			"--config", "/c", "--remote", "/r", "--state", "/s", "--root=/fake", "--bus", "unix:path=/b", "--once", "--verbose",
		}, options{
			paths: updater.NewPaths("/fake", "/c", "/r", "/s"), bus: "unix:path=/b", once: true, verbose: true,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, _, ok := parse(test.args, nil, nil)
			if !ok || got != test.want {
				t.Errorf("%+v, %t, want %+v", got, ok, test.want)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	var out bytes.Buffer
	explain(&out, &updater.Error{Version: newer, Err: errors.Join(fmt.Errorf("clipos.efi: %w", updater.ErrNoSpaceESP), errors.New("and more"))})
	wantMatch(t, out.String(), `^error: cannot update to 5\.0\.0-alpha\.3: .*; and more \(NoSpaceESP\)\n(hint: .+\n)+$`)
}

// TestLog: the journal adds the time itself.
func TestLog(t *testing.T) {
	for _, verbose := range []bool{false, true} {
		var out bytes.Buffer
		report := logStages(newLog(&out, verbose))
		for _, s := range []updater.Stage{updater.StageChecking, updater.StageFetching, updater.StageFetching} {
			report(updater.Status{Version: newer, Stage: s})
		}
		if got := bytes.Count(out.Bytes(), []byte("level=INFO msg=")); got != 2 {
			t.Errorf("verbose %t: %d stages in\n%s", verbose, got, out.String())
		}
		if got := bytes.Contains(out.Bytes(), []byte("level=DEBUG")); got != verbose {
			t.Errorf("verbose %t:\n%s", verbose, out.String())
		}
		if bytes.Contains(out.Bytes(), []byte(slog.TimeKey+"=")) {
			t.Errorf("a time in\n%s", out.String())
		}
	}
}
