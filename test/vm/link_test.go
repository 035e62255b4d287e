// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"bufio"
	"bytes"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"strings"
	"sync"

	"github.com/clipos/updater/test/vm/guest"
)

// link is the host's end of the port to the agent; it outlives the guest's
// boots.
type link struct {
	port io.ReadWriter
	// boots gets the name of each boot whose agent has come up.
	boots chan string

	mutex   sync.Mutex
	answers *io.PipeWriter
	client  *rpc.Client
}

func newLink(port io.ReadWriter) *link {
	l := &link{port: port, boots: make(chan string, 64)}
	l.renew()
	go l.read()
	return l
}

// agent is the client of the boot that runs.
func (l *link) agent() *rpc.Client {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.client
}

// renew gives up calls that will not be answered any more.
func (l *link) renew() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.client != nil {
		_ = l.client.Close()
	}
	answers, toAnswers := io.Pipe()
	l.answers, l.client = toAnswers, jsonrpc.NewClient(session{answers, l.port})
}

func (l *link) read() {
	lines := bufio.NewReader(l.port)
	last := ""
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			l.renew()
			close(l.boots)
			return
		}
		if hello, isHello := bytes.CutPrefix(line, []byte(guest.Hello+" ")); isHello {
			l.renew()
			// An agent may be started twice in a boot.
			if boot := strings.TrimSpace(string(hello)); boot != last {
				last = boot
				l.boots <- boot
			}
			continue
		}
		l.mutex.Lock()
		answers := l.answers
		l.mutex.Unlock()
		_, _ = answers.Write(line) // closed: nobody waits for it any more
	}
}

// session is one boot's part of the link.
type session struct {
	*io.PipeReader
	port io.Writer
}

func (s session) Write(p []byte) (int, error) { return s.port.Write(p) }
