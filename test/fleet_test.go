// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/nginx"
	"github.com/clipos/updater/test/tlsserver"
)

// serveChannels serves the web root with what updater-release makes of a
// channels file.
func serveChannels(t *testing.T, channels string) *nginx.Server {
	t.Helper()
	s := nginx.New(t)
	file := filepath.Join(s.Folder, "channels.toml")
	if err := machine.WriteFile(file, channels); err != nil {
		t.Fatal(err)
	}
	s.Start(releaseTool(t, "--webroot", webroot, "--channels", file, "nginx", "--listen", s.Address,
		"--certificate", s.Certificate, "--certificate-key", s.Key, "--access-log", s.AccessLog))
	return s
}

// releaseTool runs updater-release and returns what it prints.
func releaseTool(t *testing.T, arguments ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), filepath.Join(programs, "updater-release"), arguments...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// fleetMachine is a machine that runs alpha.1, with an id.
func fleetMachine(t *testing.T, id string) (root string) {
	t.Helper()
	root = t.TempDir()
	if err := machine.New(root, webroot, "5.0.0-alpha.1", "5.0.0-alpha.0"); err != nil {
		t.Fatal(err)
	}
	if err := machine.WriteFile(filepath.Join(root, "etc/machine-id"), id+"\n"); err != nil {
		t.Fatal(err)
	}
	return root
}

// updatesFrom has a machine ask a server, and tells whether alpha.3 is installed
// afterwards.
func updatesFrom(t *testing.T, s *nginx.Server, root string) bool {
	t.Helper()
	if err := machine.Connect(root, &tlsserver.Server{URL: "https://" + s.Address, AuthorityPEM: s.AuthorityPEM}); err != nil {
		t.Fatal(err)
	}
	if stderr, ok := updateOnce(t, root); !ok {
		t.Fatal(stderr)
	}
	_, err := os.Stat(filepath.Join(root, machine.Entries, "clipos-5.0.0-alpha.3.efi"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return err == nil
}

// TestChannels: the real client, nginx and what reads its log. One machine is
// in a channel, one is not and waits for its stage.
func TestChannels(t *testing.T) {
	const tester, other, last, offered = "0123456789abcdef0123456789abcdef", "1123456789abcdef0123456789abcdef", "5.0.0-alpha.1", "5.0.0-alpha.3"
	beta := fmt.Sprintf("[channel.beta]\nmachines = [%q]\nversion = %q\n", tester, offered)
	first := serveChannels(t, fmt.Sprintf("product = \"clipos\"\n[channel.stable]\nversion = %q\n", last)+beta)
	testerRoot, otherRoot := fleetMachine(t, tester), fleetMachine(t, other)
	if !updatesFrom(t, first, testerRoot) {
		t.Error("the machine in the channel is not updated")
	}
	if updatesFrom(t, first, otherRoot) {
		t.Error("the other machine is updated too")
	}
	// The tester starts what it has got.
	if err := machine.WriteFile(filepath.Join(testerRoot, "etc/os-release"), "ID=clipos\nVERSION_ID="+offered+"\n"); err != nil {
		t.Fatal(err)
	}
	second := serveChannels(t, fmt.Sprintf("product = \"clipos\"\n[channel.stable]\nversion = %q\n", offered)+beta)
	updatesFrom(t, second, testerRoot)
	if !updatesFrom(t, second, otherRoot) {
		t.Error("the other machine is not updated in its turn")
	}
	checkFleet(t, releaseTool(t, "fleet", "--json", second.AccessLog, first.AccessLog), offered, last)
}

// checkFleet: the tester runs the newer version, the other machine has fetched
// it and has not told anything newer than the older one.
func checkFleet(t *testing.T, text, newer, older string) {
	t.Helper()
	type version struct {
		Version  string
		Machines int
		Channels map[string]int
	}
	var report struct {
		Versions []version
		Served   []struct {
			Kinds map[string]struct{ Requests, Bytes int64 }
		}
		Requests map[string]int64
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	want := []version{{newer, 1, map[string]int{"beta": 1}}, {older, 1, map[string]int{"stable": 1}}}
	if !reflect.DeepEqual(report.Versions, want) || report.Requests["anonymous"] != 0 || report.Requests["damaged_lines"] != 0 {
		t.Errorf("%s", text)
	}
	var payloads int64
	for _, name := range []string{"clipos-core", "clipos-efiboot"} {
		info, err := fs.Stat(os.DirFS(webroot), filepath.Join("dist", newer, name))
		if err != nil {
			t.Fatal(err)
		}
		payloads += 2 * info.Size()
	}
	var served int64
	for _, day := range report.Served {
		served += day.Kinds["plain"].Bytes
	}
	if served != payloads {
		t.Errorf("%d bytes of payloads served, two machines need %d", served, payloads)
	}
}
