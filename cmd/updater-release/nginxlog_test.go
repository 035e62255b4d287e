// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/test/nginx"
)

// accessLog is the log once it has so many lines: nginx writes them after its
// answers.
func (r *replica) accessLog(lines int) string {
	r.t.Helper()
	for range 1000 {
		log, err := os.ReadFile(r.AccessLog)
		if err != nil {
			r.t.Fatal(err)
		}
		if strings.Count(string(log), "\n") >= lines {
			return string(log)
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("no %d lines after ten seconds", lines)
	return ""
}

// TestNginxLogsWhatItAnswered: what a server does not have it did not offer, and
// nobody waits for it.
func TestNginxLogsWhatItAnswered(t *testing.T) {
	const beta, missing, stable = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210", "1123456789abcdef0123456789abcdef"
	channels := strings.ReplaceAll(fewChannels, "[channel.stable]\nversion = \"5.1.0\"\npercent = 0\nprevious = \"5.0.0\"\n", "")
	r := &replica{nginx.New(t), t}
	r.Start("error_log error.log warn;\n" + r.configuration(fewWebRoot(t), channels))
	client := r.client()
	var want []string
	for _, c := range []struct{ machine, path, offered string }{
		{beta, document, "5.2.0-beta.1"},
		{beta, "/dist/5.2.0-beta.1/clipos-core", ""},
		{missing, document, "static"}, // this server does not have it
		{stable, document, "static"},  // nothing is offered
		{stable, "/elsewhere", ""},
		{"", document, "static"},
	} {
		header := machineHeader(c.machine)
		header.Set("clipos-version", "5.0.0")
		r.ask(client, http.MethodGet, c.path, header)
		want = append(want, c.offered)
	}
	// No request at all.
	connection, err := tls.Dial("tcp", r.Address, r.tls())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprint(connection, "nonsense\r\n\r\n")
	want = append(want, "")
	log := r.accessLog(len(want))
	var got []string
	for line := range strings.Lines(log) {
		var l struct{ Offered string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("%v: %q", err, line)
		}
		got = append(got, l.Offered)
	}
	if !slices.Equal(got, want) {
		t.Errorf("offered %q, want %q", got, want)
	}
	if text, err := os.ReadFile(filepath.Join(r.Folder, "error.log")); err != nil || strings.Contains(string(text), "uninitialized") {
		t.Errorf("%v, error log %q", err, text)
	}
	waits(t, log, map[string]int{"5.2.0-beta.1": 1})
}

// waits asserts what is being rolled out to how many machines, by a log.
func waits(t *testing.T, log string, want map[string]int) {
	t.Helper()
	status, out, stderr := runProgram(t, log, "--json", "fleet", "-")
	var report struct {
		Rollouts []struct {
			Version string
			Offered int
		}
	}
	if err := json.Unmarshal([]byte(out), &report); status != exitOK || err != nil {
		t.Fatalf("status %d, %v: %s", status, err, stderr)
	}
	got := map[string]int{}
	for _, roll := range report.Rollouts {
		got[roll.Version] += roll.Offered
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("rollouts %v, want %v", got, want)
	}
}
