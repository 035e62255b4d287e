// SPDX-License-Identifier: LGPL-2.1-or-later

package dbustest

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"
)

// DialAs opens a socket to the bus as another user, for which the test must
// run as root. The socket's own name is from ("@…" for an abstract one), none
// when empty. It is closed when the test ends.
func (b *Bus) DialAs(t testing.TB, uid uint32, from string) net.Conn {
	t.Helper()
	sockets, errs := make(chan net.Conn, 1), make(chan error, 1)
	go func() {
		// The user is this thread's alone, and the thread ends with the
		// goroutine, which never lets go of it.
		runtime.LockOSThread()
		socket, err := dialAs(strings.TrimPrefix(b.Address, "unix:path="), from, uid)
		sockets <- socket
		errs <- err
	}()
	socket, err := <-sockets, <-errs
	if err != nil {
		t.Fatalf("connecting as user %d: %v (another user needs root)", uid, err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket
}

// ConnectAs connects to the bus as another user, for which the test must run as
// root. The connection ends with the test.
func (b *Bus) ConnectAs(t testing.TB, uid uint32) *dbus.Conn {
	t.Helper()
	return Greet(t, b.DialAs(t, uid, ""), uid)
}

// Greet says on a socket to a bus who is there, and returns the connection. It
// ends with the test.
func Greet(t testing.TB, socket net.Conn, uid uint32) *dbus.Conn {
	t.Helper()
	conn, err := dbus.NewConn(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(int(uid)))}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Hello(); err != nil {
		t.Fatal(err)
	}
	return conn
}

// dialAs connects to a socket as uid, whom it makes the user of this thread: a
// listener sees who connected, not who writes (SO_PEERCRED in unix(7)).
func dialAs(path, from string, uid uint32) (net.Conn, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	if from != "" {
		if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: from}); err != nil {
			return nil, err
		}
	}
	id := uintptr(uid)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESGID, id, id, id); errno != 0 {
		return nil, fmt.Errorf("setresgid: %w", errno)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, id, id, id); errno != 0 {
		return nil, fmt.Errorf("setresuid: %w", errno)
	}
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		return nil, err
	}
	return net.FileConn(file)
}
