// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"

	"github.com/clipos/updater/test/vm/guest"
)

// Nothing the guest does takes longer, on the busiest of hosts; a boot may be the
// fourth in a row.
const (
	callLimit = 10 * time.Minute
	bootLimit = 30 * time.Minute
)

// errNoAnswer: the guest went down while a program ran.
var errNoAnswer = errors.New("no answer from the guest")

// machine is the machine during one test, which runs anew after each start. All
// its methods but try end the test when something fails.
type machine struct {
	*testing.T
	*lab
	running
}

// try runs a program in the guest.
func (m *machine) try(args ...string) (guest.Result, error) {
	m.Helper()
	return m.tryWith(nil, args...)
}

func (m *machine) tryWith(stdin []byte, args ...string) (guest.Result, error) {
	var result guest.Result
	call := m.guest().agent().Go(guest.RunMethod, guest.Command{Args: args, Stdin: stdin}, &result, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		if call.Error != nil {
			return result, fmt.Errorf("%w: %w", errNoAnswer, call.Error)
		}
		return result, nil
	case <-time.After(callLimit):
		return result, fmt.Errorf("%q: %w", args, os.ErrDeadlineExceeded)
	}
}

// run runs a program that must succeed and returns what it printed.
func (m *machine) run(args ...string) string {
	m.Helper()
	result, err := m.try(args...)
	if err != nil || result.Status != 0 {
		m.Fatalf("%q: %v, status %d\n%s%s", args, err, result.Status, result.Stdout, result.Stderr)
	}
	return string(result.Stdout)
}

// sh runs a shell script that must succeed.
func (m *machine) sh(script string) string {
	m.Helper()
	return m.run("sh", "-ec", script)
}

// put writes a file.
func (m *machine) put(path, content string) {
	m.Helper()
	if result, err := m.tryWith([]byte(content), "dd", "status=none", "of="+path); err != nil || result.Status != 0 {
		m.Fatalf("%s: %v\n%s", path, err, result.Stderr)
	}
}

// refused runs a program that must fail and asserts what it says.
func (m *machine) refused(want string, args ...string) {
	m.Helper()
	result, err := m.try(args...)
	said := string(result.Stdout) + string(result.Stderr)
	if err != nil || result.Status == 0 || !strings.Contains(said, want) {
		m.Fatalf("%q: %v, status %d, want a failure with %q\n%s", args, err, result.Status, want, said)
	}
}

// reboot reboots and waits until a version has booted completely.
func (m *machine) reboot(version string) {
	m.Helper()
	if _, err := m.try("systemctl", "reboot"); err != nil && !errors.Is(err, errNoAnswer) {
		m.Fatal(err)
	}
	m.awaitBoot(version)
}

// press presses the reset button.
func (m *machine) press() {
	m.Helper()
	if err := m.reset(); err != nil {
		m.Fatal(err)
	}
}

// awaitBoot waits until a version has booted completely, whatever boots and
// fails before it.
func (m *machine) awaitBoot(version string) {
	m.Helper()
	begin := time.Now()
	for booted := ""; booted != version; booted = m.awaitAnyBoot() {
		if time.Since(begin) > bootLimit {
			m.Fatalf("%s does not boot, but %s\n%s", version, booted, m.consoleTail())
		}
	}
	since("  boot into "+version, begin)
}

// awaitAnyBoot waits until any version has booted completely.
func (m *machine) awaitAnyBoot() (version string) {
	m.Helper()
	limit := time.After(bootLimit)
	for {
		select {
		case _, open := <-m.guest().boots:
			if !open {
				m.Fatal("the machine is off")
			}
		case <-limit:
			m.Fatalf("nothing boots\n%s", m.consoleTail())
		}
		result, err := m.try("sh", "-c", ". /usr/lib/os-release; echo $VERSION_ID")
		if err == nil && m.settled() {
			return strings.TrimSpace(string(result.Stdout))
		}
	}
}

// settled waits for the end of a boot, and tells whether it was a good one.
func (m *machine) settled() bool {
	m.Helper()
	result, err := m.try("systemctl", "is-system-running", "--wait")
	state := strings.TrimSpace(string(result.Stdout))
	if err == nil && state == "degraded" {
		failed, err := m.try("systemctl", "list-units", "--failed", "--no-legend", "--plain")
		// One that is ill is on its way down.
		if err == nil && !strings.HasPrefix(string(failed.Stdout), "test-health.service") {
			m.Fatalf("degraded:\n%s", failed.Stdout)
		}
	}
	return err == nil && state == "running"
}

// consoleTail is the end of what the machine printed.
func (m *machine) consoleTail() string {
	text, _ := os.ReadFile(m.console())
	return tail(string(text), 3000)
}

// entries are the files in EFI/Linux, volumes the logical volumes, both
// sorted.
func (m *machine) entries() []string {
	m.Helper()
	return strings.Fields(m.run("ls", "/mnt/efiboot/EFI/Linux"))
}

func (m *machine) volumes() []string {
	m.Helper()
	names := strings.Fields(m.run("lvs", "--noheadings", "--options", "lv_name", "mainvg"))
	slices.Sort(names)
	return names
}

func (m *machine) wantEntries(want ...string) {
	m.Helper()
	if got := m.entries(); !slices.Equal(got, want) {
		m.Errorf("entries %q, want %q", got, want)
	}
}

// wantCores asserts which core volumes there are, beside state and swap.
func (m *machine) wantCores(versions ...string) {
	m.Helper()
	var want []string
	for _, v := range versions {
		want = append(want, "core_"+v)
	}
	want = append(want, "core_state", "core_swap")
	if got := m.volumes(); !slices.Equal(got, want) {
		m.Errorf("volumes %q, want %q", got, want)
	}
}

// payload is a file that the server has.
func (m *machine) payload(version, kind string) string {
	return filepath.Join(m.webroot, "dist", version, "clipos-"+kind)
}

// wantSame asserts that a file or device in the guest begins with what a file
// of the host is.
func (m *machine) wantSame(inGuest, onHost string) {
	m.Helper()
	content, err := os.ReadFile(onHost)
	if err != nil {
		m.Fatal(err)
	}
	// Twice as fast as SHA-256 where the processor is emulated.
	want := fmt.Sprintf("%x", blake2b.Sum512(content))
	got := m.sh(fmt.Sprintf("head -c %d %s | b2sum", len(content), inGuest))
	if !strings.HasPrefix(got, want) {
		m.Errorf("%s is not whole", inGuest)
	}
}
