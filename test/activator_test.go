// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// activator does for "updaterd fetch" what systemd does for the service of a
// socket unit: it listens, starts the program with the socket when somebody
// connects, and does so again when the program has ended.
type activator struct {
	Socket string
	// Stderr is what the programs say.
	Stderr lockedBuffer

	socket  *os.File
	argv    []string
	stop    chan struct{}
	stopped chan struct{}

	mu      sync.Mutex
	running *exec.Cmd
	started int
}

// lockedBuffer is written by programs while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// fetcherOf is the command line of the fetcher of the machine in root.
func fetcherOf(root, program string) []string {
	return []string{program, "fetch", "--remote", filepath.Join(root, "etc/updater")}
}

// activate listens for the fetcher of the machine in root, and starts it with
// argv.
func activate(root string, argv ...string) (*activator, error) {
	a := &activator{
		Socket: filepath.Join(root, "run/updater/fetch.sock"),
		argv:   argv,
		stop:   make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := os.MkdirAll(filepath.Dir(a.Socket), 0o755); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: a.Socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(a.Socket, 0o600); err != nil {
		return nil, err
	}
	if a.socket, err = l.File(); err != nil {
		return nil, err
	}
	go a.loop()
	return a, nil
}

func (a *activator) loop() {
	defer close(a.stopped)
	for {
		select {
		case <-a.stop:
			return
		default:
		}
		waiting := []unix.PollFd{{Fd: int32(a.socket.Fd()), Events: unix.POLLIN}}
		if n, _ := unix.Poll(waiting, 20); n == 1 {
			a.run()
		}
	}
}

// run starts the program and waits for its end. LISTEN_PID is sd_listen_fds(3):
// only the program itself knows it.
func (a *activator) run() {
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_FDS=1 LISTEN_FDNAMES=fetch LISTEN_PID=$$ exec "$@"`, "sh"}, a.argv...)...)
	cmd.ExtraFiles = []*os.File{a.socket}
	cmd.Stderr = &a.Stderr
	a.mu.Lock()
	err := cmd.Start()
	a.running = cmd
	a.started++
	a.mu.Unlock()
	if err != nil {
		fmt.Fprintln(&a.Stderr, err)
		return
	}
	_ = cmd.Wait()
	a.mu.Lock()
	a.running = nil
	a.mu.Unlock()
}

// Signal reaches the program that runs, if one does.
func (a *activator) Signal(s os.Signal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running != nil {
		_ = a.running.Process.Signal(s)
	}
}

func (a *activator) Started() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.started
}

func (a *activator) pid() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running == nil {
		return 0
	}
	return a.running.Process.Pid
}

func (a *activator) Close() {
	close(a.stop)
	a.Signal(unix.SIGTERM)
	<-a.stopped
	a.socket.Close()
}
