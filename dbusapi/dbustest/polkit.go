// SPDX-License-Identifier: LGPL-2.1-or-later

package dbustest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	polkitName = "org.freedesktop.PolicyKit1"
	// PolkitBusPolicy is the bus policy that Debian's polkit comes with.
	PolkitBusPolicy = "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"
)

// polkitScript runs in a mount namespace of its own: it puts the files of $1
// where polkitd looks for actions and rules, and polkitd in its own place.
const polkitScript = `set -e
hide() { mount -t tmpfs -o mode=755 tmpfs "$1"; }
hide /usr/share/polkit-1/actions
hide /usr/share/polkit-1/rules.d
hide /etc/polkit-1/rules.d
cp "$1"/*.policy /usr/share/polkit-1/actions/
cp "$1"/*.rules /etc/polkit-1/rules.d/
exec /usr/lib/polkit-1/polkitd --no-debug`

// StartPolkit runs a real polkitd on the bus until the test ends. It knows the
// actions in the given files and one file of rules (polkit(8)), and nothing of
// what is installed on this machine. The test must run as root.
func StartPolkit(t testing.TB, b *Bus, rules string, actions ...string) {
	t.Helper()
	dir := folder(t)
	files := map[string][]byte{"10-test.rules": []byte(rules)}
	for _, path := range actions {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	owned := watchOwner(t, b, polkitName)
	var complaints bytes.Buffer
	daemon := exec.Command("/bin/sh", "-c", polkitScript, "sh", dir)
	daemon.Dir = "/"
	daemon.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin", "DBUS_SYSTEM_BUS_ADDRESS=" + b.Address}
	daemon.Stdout, daemon.Stderr = &complaints, &complaints
	// polkitd becomes another user, which loses it the signal of Pdeathsig; it
	// ends when its bus does.
	daemon.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // see Bus.launch
		err := daemon.Start()
		started <- err
		if err == nil {
			_ = daemon.Wait() // it is killed
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("polkitd: %v (needs root)", err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill() // it may have ended already
		<-ended
	})
	select {
	case <-owned:
	case <-ended:
		t.Fatalf("polkitd: %s (Debian package polkitd)", complaints.String())
	case <-time.After(time.Minute):
		t.Fatal("polkitd does not take its name (Debian package polkitd)")
	}
}

// watchOwner returns a channel that is closed when somebody owns the name.
func watchOwner(t testing.TB, b *Bus, name string) <-chan struct{} {
	t.Helper()
	conn, err := dbus.Connect(b.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	match := []dbus.MatchOption{dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, name)}
	if err := conn.AddMatchSignal(match...); err != nil {
		t.Fatal(err)
	}
	owned := make(chan struct{})
	go func() {
		for s := range signals {
			if len(s.Body) == 3 && s.Body[0] == name && s.Body[2] != "" {
				close(owned)
				return
			}
		}
	}()
	return owned
}
