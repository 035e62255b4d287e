// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"errors"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// redialAfter is how long a guest that does not answer is left alone.
const redialAfter = time.Second

// sshPort is a way to the agent that works as the serial port does: what it
// reads goes on when the guest has booted again.
type sshPort struct {
	// command begins an SSH session with the agent at its other end.
	command []string

	mutex  sync.Mutex
	closed bool
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
}

// Read reads of this session and then of the next, until the port is closed.
func (p *sshPort) Read(b []byte) (int, error) {
	for {
		stdout, err := p.session()
		if errors.Is(err, io.EOF) {
			return 0, err
		}
		if err == nil {
			n, _ := stdout.Read(b)
			if n > 0 {
				return n, nil
			}
			p.hangUp()
		}
		time.Sleep(redialAfter)
	}
}

// Write writes to the session that there is.
func (p *sshPort) Write(b []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.stdin == nil {
		return 0, io.ErrClosedPipe
	}
	return p.stdin.Write(b)
}

func (p *sshPort) Close() error {
	p.mutex.Lock()
	p.closed = true
	p.mutex.Unlock()
	p.hangUp()
	return nil
}

// session returns what the agent says, in a new session if there is none.
func (p *sshPort) session() (io.Reader, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closed {
		return nil, io.EOF
	}
	if p.cmd != nil {
		return p.stdout, nil
	}
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.cmd, p.stdin, p.stdout = cmd, stdin, stdout
	return stdout, nil
}

// hangUp ends the session, if there is one.
func (p *sshPort) hangUp() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // was killed
	p.cmd, p.stdin, p.stdout = nil, nil, nil
}
