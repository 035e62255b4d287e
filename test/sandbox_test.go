// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/lvm/lvmtest"
	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/tlsserver"
)

// The sandboxes of the units can only be entered where systemd runs. Here every
// system call of a real update is held against what the units allow.

// plainProgram builds updaterd as it is installed: the race detector makes
// system calls, and needs memory, of its own.
func plainProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "updaterd")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/updaterd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return program
}

// traced returns a command line that counts the system calls of another one, and
// of what that starts, in a file. The program keeps the process number it would
// have had: strace is its grandchild (-D).
func traced(t *testing.T, argv ...string) (command []string, counts string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("%v: install the Debian package strace", err)
	}
	counts = filepath.Join(t.TempDir(), "counts")
	return append([]string{strace, "-D", "-f", "-qq", "-c", "-U", "name", "-o", counts, "--"}, argv...), counts
}

var systemCallForm = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// systemCalls reads what was counted, once strace has written it.
func systemCalls(t *testing.T, counts string) []string {
	t.Helper()
	var text string
	for end := time.Now().Add(time.Minute); !strings.Contains(text, "total"); time.Sleep(20 * time.Millisecond) {
		data, err := os.ReadFile(counts)
		if time.Now().After(end) {
			t.Fatalf("%v: %q", err, data)
		}
		text = string(data)
	}
	var names []string
	for line := range strings.Lines(text) {
		// Between them is what strace could not name of a thread that ended.
		if name := strings.TrimSpace(line); name != "total" && name != "syscall" && systemCallForm.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}

// allowedBy is the set of system calls that a unit of ../daemon allows: its
// first SystemCallFilter= lists what is allowed, one with ~ takes away, and
// @default is always allowed (systemd.exec(5)).
func allowedBy(t *testing.T, unit string) map[string]bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../daemon", unit))
	if err != nil {
		t.Fatal(err)
	}
	allowed := make(map[string]bool)
	for line := range strings.Lines(string(data)) {
		list, isFilter := strings.CutPrefix(strings.TrimSpace(line), "SystemCallFilter=")
		if !isFilter {
			continue
		}
		list, taken := strings.CutPrefix(list, "~")
		for _, word := range strings.Fields(list) {
			for _, name := range expand(t, word) {
				allowed[name] = !taken
			}
		}
	}
	for _, name := range expand(t, "@default") {
		allowed[name] = true
	}
	return allowed
}

// expand asks systemd what a set of system calls holds.
func expand(t *testing.T, word string) (names []string) {
	t.Helper()
	if !strings.HasPrefix(word, "@") {
		return []string{word}
	}
	output, err := exec.CommandContext(t.Context(), "systemd-analyze", "syscall-filter", "--no-pager", word).Output()
	if err != nil {
		t.Fatalf("systemd-analyze %s: %v: install the Debian package systemd", word, err)
	}
	for line := range strings.Lines(string(output)) {
		line = strings.TrimSpace(line)
		if line == "" || line == word || strings.HasPrefix(line, "#") {
			continue
		}
		names = append(names, expand(t, line)...)
	}
	return names
}

func checkAllowed(t *testing.T, unit string, used []string) {
	t.Helper()
	if len(used) < 20 {
		t.Errorf("only %q were used", used)
	}
	allowed := allowedBy(t, unit)
	for _, name := range used {
		if !allowed[name] {
			t.Errorf("%s does not allow %s", unit, name)
		}
	}
	for _, name := range []string{"chown", "setuid", "mount", "init_module", "ptrace", "reboot", "add_key"} {
		if allowed[name] {
			t.Errorf("%s allows %s", unit, name)
		}
	}
}

// tracedUpdate updates a machine and returns the system calls of daemon and
// fetcher, from their start to their end.
func tracedUpdate(t *testing.T, prepare func(root string)) (daemon, fetcher []string) {
	t.Helper()
	program := plainProgram(t)
	root := t.TempDir()
	if err := machine.New(root, webroot, "5.0.0-alpha.1", "5.0.0-alpha.0"); err != nil {
		t.Fatal(err)
	}
	prepare(root)
	server, err := tlsserver.Start(t.Context(), tlsserver.Options{Handler: tlsserver.Files(webroot)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := machine.Connect(root, server); err != nil {
		t.Fatal(err)
	}
	argv, fetcherCounts := traced(t, fetcherOf(root, program)...)
	a, err := activate(root, argv...)
	if err != nil {
		t.Fatal(err)
	}
	bus := dbustest.Start(t)
	argv, daemonCounts := traced(t, program, "--root", root, "--bus", bus.Address, throughFetcher(root))
	d := exec.Command(argv[0], argv[1:]...)
	d.Stderr = &a.Stderr
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	ctl := func(args ...string) error {
		args = append([]string{"--bus", bus.Address}, args...)
		output, err := exec.Command(filepath.Join(programs, "updaterctl"), args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	}
	for end := time.Now().Add(time.Minute); ctl("status") != nil && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	updated := ctl("update", "--follow")
	reloaded := ctl("reload")
	_ = d.Process.Signal(unix.SIGTERM)
	_ = d.Wait()
	a.Close()
	if updated != nil || reloaded != nil {
		t.Fatalf("%v, %v\n%s", updated, reloaded, a.Stderr.String())
	}
	return systemCalls(t, daemonCounts), systemCalls(t, fetcherCounts)
}

func TestSystemCalls(t *testing.T) {
	daemon, fetcher := tracedUpdate(t, func(string) {})
	checkAllowed(t, "updaterd.service", daemon)
	checkAllowed(t, "updater-fetch.service", fetcher)
}

// ofDeviceMapper is what LVM calls beside what it is seen to call, where there is
// a device mapper and udev, which a test does not have: locked memory and
// priority while a volume is suspended (lib/mm/memlock.c), semaphores shared
// with udev (libdm/libdm-common.c), writing without the page cache
// (lib/device/bcache.c).
var ofDeviceMapper = []string{
	"mlock", "munlock", "mlockall", "munlockall", "setpriority", "getpriority",
	"semget", "semctl", "semop", "ioctl", "io_setup", "io_submit", "io_getevents", "io_destroy",
}

func TestSystemCallsOfLVM(t *testing.T) {
	daemon, _ := tracedUpdate(t, func(root string) {
		lvmtest.AddGroup(t, root, "mainvg", 64<<20)
		config := filepath.Join(root, "usr/lib/updater/config.toml")
		data, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("\"directory\"", "\"lvm\"", "\"/volumes\"", "\"mainvg\"", "\"2M\"", "\"8M\"").Replace(string(data))
		if err := machine.WriteFile(config, text); err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{"core_5.0.0-alpha.1", "core_5.0.0-alpha.0"} {
			lvmtest.LVM(t, root, "lvcreate", "--yes", "--size", "8M", "--name", v, "mainvg")
		}
	})
	checkAllowed(t, "updaterd.service", slices.Concat(daemon, ofDeviceMapper))
}
