// SPDX-License-Identifier: LGPL-2.1-or-later

// Package dbustest gives a test a message bus of its own: a real dbus-daemon on
// a socket in a temporary folder, ended with the test. Nothing of it touches
// the machine's system bus, and no environment variable is read.
package dbustest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Nobody is a user without rights, to call as.
const Nobody = 65534

// daemonPath is Debian's; a fixed path, as everywhere.
const daemonPath = "/usr/bin/dbus-daemon"

// Open is the policy of a bus on which everybody may do everything.
const Open = `<policy context="default">
  <allow user="*"/>
  <allow own="*"/>
  <allow send_destination="*" eavesdrop="true"/>
  <allow eavesdrop="true"/>
</policy>`

// Bus is a running message bus.
type Bus struct {
	// Address is where it listens, "unix:path=…". It stays the same over
	// Restart, and every user may connect.
	Address string

	config string
	daemon *exec.Cmd
	ended  <-chan struct{}
}

// Start starts a bus with the [Open] policy.
func Start(t testing.TB) *Bus {
	t.Helper()
	return StartWith(t, Open)
}

// StartWith starts a bus with the given elements of dbus-daemon's configuration
// file (dbus-daemon(1)), policies and limits above all.
func StartWith(t testing.TB, elements string) *Bus {
	t.Helper()
	dir := folder(t)
	b := &Bus{
		Address: "unix:path=" + filepath.Join(dir, "bus"),
		config:  filepath.Join(dir, "bus.conf"),
	}
	text := fmt.Sprintf("<busconfig>\n<listen>%s</listen>\n<auth>EXTERNAL</auth>\n%s\n</busconfig>\n", b.Address, elements)
	if err := os.WriteFile(b.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b.launch(t)
	t.Cleanup(b.Stop)
	return b
}

// systemBus is what dbus-daemon's own system.conf lays down before the files of
// the services: method calls and names are denied.
const systemBus = `<policy context="default">
  <allow user="*"/>
  <deny own="*"/>
  <deny send_type="method_call"/>
  <allow send_type="signal"/>
  <allow send_requested_reply="true" send_type="method_return"/>
  <allow send_requested_reply="true" send_type="error"/>
  <allow receive_type="method_call"/>
  <allow receive_type="method_return"/>
  <allow receive_type="error"/>
  <allow receive_type="signal"/>
  <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
</policy>
`

// StartSystem starts a bus like the system's with the policy files of services.
func StartSystem(t testing.TB, policyFiles ...string) *Bus {
	t.Helper()
	elements := systemBus
	for _, file := range policyFiles {
		elements += "<include>" + file + "</include>"
	}
	return StartWith(t, elements)
}

// folder is a temporary folder with a short path, for socket addresses are
// short, that other users can enter; t.TempDir is neither.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// launch starts the daemon and returns when it listens.
func (b *Bus) launch(t testing.TB) {
	t.Helper()
	var complaints bytes.Buffer
	daemon := exec.Command(daemonPath, "--config-file="+b.config, "--nofork", "--nopidfile", "--nosyslog", "--print-address")
	daemon.Stderr = &complaints
	// A test that panics or runs out of time cleans nothing up.
	daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		// The death that counts is that of the thread that started the daemon
		// (PR_SET_PDEATHSIG in prctl(2)), so this one stays.
		runtime.LockOSThread()
		err := daemon.Start()
		started <- err
		if err == nil {
			_ = daemon.Wait() // it is killed
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("%v (Debian package dbus-daemon)", err)
	}
	b.daemon, b.ended = daemon, ended
	// It prints its address when it listens, and nothing after that.
	if _, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		b.Stop()
		t.Fatalf("dbus-daemon: %v: %s", err, complaints.String())
	}
	// The socket is made under the umask of whoever runs the tests.
	if err := os.Chmod(strings.TrimPrefix(b.Address, "unix:path="), 0o666); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the bus; everybody on it is disconnected. The test's end does it
// too.
func (b *Bus) Stop() {
	if b.daemon == nil {
		return
	}
	_ = b.daemon.Process.Kill() // it may have ended already
	<-b.ended
	b.daemon = nil
}

// Restart stops the bus and starts it again at the same address.
func (b *Bus) Restart(t testing.TB) {
	t.Helper()
	b.Stop()
	b.launch(t)
}

// PID is the process of the bus.
func (b *Bus) PID() int {
	return b.daemon.Process.Pid
}

// Busctl runs busctl on the bus as the given user and returns what it wrote to
// standard output and to standard error, and how it ended.
func (b *Bus) Busctl(t testing.TB, uid uint32, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "/usr/bin/busctl", append([]string{"--address=" + b.Address, "--no-pager"}, args...)...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	err = cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("%v (Debian package systemd; another user needs root)", err)
	}
	return out.String(), complaints.String(), err
}
