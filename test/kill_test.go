// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/tlsserver"
)

// killRounds is how often an update is killed before one is let through.
const killRounds = 30

// The program is killed at random moments, again and again on the same
// machine. Whatever it left, each boot entry leads to a whole volume, the
// running system is untouched, and in the end an update comes through.
func TestKilledAtRandom(t *testing.T) {
	begin := time.Now()
	if runAndKill(t, newMachine(t), time.Minute) {
		t.Fatal("killed after a minute")
	}
	whole := time.Since(begin)
	root, finished := newMachine(t), 0
	for range killRounds {
		if killed := runAndKill(t, root, rand.N(whole)); killed {
			checkMachine(t, root)
			continue
		}
		checkFinished(t, root)
		root = newMachine(t)
		finished++
	}
	if runAndKill(t, root, time.Minute) {
		t.Fatal("killed after a minute")
	}
	checkFinished(t, root)
	t.Logf("%d runs of at most %v, %d came through", killRounds, whole, finished)
}

// newMachine is one that can be updated to 5.0.0-alpha.3.
func newMachine(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	if err := machine.New(root, webroot, "5.0.0-alpha.1", "5.0.0-alpha.0"); err != nil {
		t.Fatal(err)
	}
	stop, err := startServer(root, tlsserver.Files(webroot))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop() })
	return root
}

// runAndKill kills an update after a time, unless it has ended by then.
func runAndKill(t *testing.T, root string, after time.Duration) (killed bool) {
	t.Helper()
	cmd := exec.Command(filepath.Join(programs, "updaterd"), "--root", root, "--once")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	if err != nil && cmd.ProcessState.ExitCode() >= 0 {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return err != nil
}

// checkMachine asserts what holds at every moment.
func checkMachine(t *testing.T, root string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(root, machine.Entries))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		version, isEntry := strings.CutSuffix(strings.TrimPrefix(f.Name(), "clipos-"), ".efi")
		if !isEntry {
			continue
		}
		samePrefix(t, filepath.Join(root, machine.Entries, f.Name()), payload(version, "efiboot"))
		samePrefix(t, filepath.Join(root, "volumes/core_"+version), payload(version, "core"))
	}
	samePrefix(t, filepath.Join(root, machine.Entries, "clipos-5.0.0-alpha.1.efi"), payload("5.0.0-alpha.1", "efiboot"))
}

func checkFinished(t *testing.T, root string) {
	t.Helper()
	checkMachine(t, root)
	samePrefix(t, filepath.Join(root, machine.Entries, "clipos-5.0.0-alpha.3.efi"), payload("5.0.0-alpha.3", "efiboot"))
}

func payload(version, kind string) string {
	return filepath.Join(webroot, "dist", version, "clipos-"+kind)
}

// samePrefix asserts that a file begins with another.
func samePrefix(t *testing.T, file, with string) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(with)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(got, want) {
		t.Fatalf("%s is not whole", file)
	}
}
