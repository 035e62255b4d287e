// SPDX-License-Identifier: LGPL-2.1-or-later

package fetchproxy

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// strangerVariable makes this program a user without rights who asks the socket
// it names.
const strangerVariable = "FETCHPROXY_TEST_STRANGER"

// The stranger's exit status.
const (
	wasAnswered = 10
	wasClosed   = 11
)

func beStranger(socket string) int {
	c, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Closed with the question unread is a reset, which is an end too.
	_, _ = io.WriteString(c, get("/dist/5.0.0/clipos-core", ""))
	if n, _ := c.Read(make([]byte, 1)); n > 0 {
		return wasAnswered
	}
	return wasClosed
}

// TestStranger: a user who is not root is not heard, even where he can reach the
// socket.
func TestStranger(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	u := &upstream{}
	socket, _ := start(t, u)
	// The program too must be where a stranger gets.
	folder, err := os.MkdirTemp("", "stranger") //nolint:usetesting // t.TempDir is root's alone
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	program := filepath.Join(folder, "stranger")
	test := filepath.Dir(filepath.Dir(socket))
	for _, path := range []string{socket, filepath.Dir(socket), test} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(os.Args[0], program); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		uid  uint32
		want int
	}{"root": {0, wasAnswered}, "nobody": {65534, wasClosed}} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(program)
			cmd.Env = []string{strangerVariable + "=" + socket, "GORACE=atexit_sleep_ms=0"}
			cmd.Stderr = os.Stderr
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: test.uid, Gid: test.uid}}
			if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != test.want {
				t.Errorf("%v, want exit status %d", err, test.want)
			}
		})
	}
	if len(u.asked()) != 1 {
		t.Errorf("%d requests were heard, want root's", len(u.asked()))
	}
}
