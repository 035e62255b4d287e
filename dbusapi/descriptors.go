// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/godbus/dbus/v5"
)

// descriptorConn is the stream between the library and the bus on a connection
// that asks questions whose answers are descriptors. The library would take
// descriptors from anybody and never close them, so it is not told of them: this
// end of the stream negotiates and receives them, keeps those that come with an
// answer and closes all others. Answers are also all that it passes on.
type descriptorConn struct {
	*net.UnixConn
	begun  bool
	unread []byte // of an answer

	mu sync.Mutex
	// kept are the descriptors that came with the last answer that had any.
	kept   []*os.File
	closed bool
}

// Write passes p on, with what the library does not say before its last line of
// the authentication (D-Bus Specification, "NEGOTIATE_UNIX_FD").
func (c *descriptorConn) Write(p []byte) (int, error) {
	if !c.begun && bytes.Equal(p, []byte("BEGIN\r\n")) {
		if err := c.negotiate(); err != nil {
			return 0, err
		}
		c.begun = true
	}
	return c.UnixConn.Write(p)
}

func (c *descriptorConn) negotiate() error {
	if _, err := io.WriteString(c.UnixConn, "NEGOTIATE_UNIX_FD\r\n"); err != nil {
		return err
	}
	const agreed = "AGREE_UNIX_FD\r\n"
	reply := make([]byte, len(agreed))
	if _, err := io.ReadFull(c.UnixConn, reply); err != nil {
		return err
	}
	if string(reply) != agreed {
		return fmt.Errorf("the bus passes no descriptors: %.64q", reply)
	}
	return nil
}

func (c *descriptorConn) Read(p []byte) (int, error) {
	if !c.begun {
		return c.UnixConn.Read(p)
	}
	return takeUnread(p, &c.unread, c.next)
}

// next reads one message; unread stays empty when it is no answer.
func (c *descriptorConn) next() error {
	header := make([]byte, fixedHeaderBytes)
	came, err := c.readFull(header)
	defer func() { closeAll(came) }()
	if err != nil {
		return err
	}
	size, err := messageBytes(header)
	if err != nil {
		return err
	}
	if size > maxMessageBytes {
		return c.discard(size - fixedHeaderBytes) // no answer that is due
	}
	message := make([]byte, size)
	late, err := c.readFull(message[copy(message, header):])
	came = append(came, late...)
	if err != nil {
		return err
	}
	switch dbus.Type(message[1]) {
	case dbus.TypeMethodReply:
		came = c.keep(came)
		c.unread = message
	case dbus.TypeError:
		c.unread = message
	}
	return nil
}

// discard reads the next n bytes and keeps nothing: anybody may send a large
// signal, which must not end the connection.
func (c *descriptorConn) discard(n int64) error {
	chunk := make([]byte, 4096)
	for n > 0 {
		part := chunk[:min(n, int64(len(chunk)))]
		came, err := c.readFull(part)
		closeAll(came)
		if err != nil {
			return err
		}
		n -= int64(len(part))
	}
	return nil
}

// readFull fills p and returns the descriptors that came with it, also with an
// error.
func (c *descriptorConn) readFull(p []byte) ([]*os.File, error) {
	var came []*os.File
	// Room for one. The kernel closes what there is no room for.
	control := make([]byte, syscall.CmsgSpace(4))
	for len(p) > 0 {
		n, controlBytes, _, _, err := c.ReadMsgUnix(p, control)
		came = append(came, received(control[:controlBytes])...)
		if err != nil {
			return came, err
		}
		p = p[n:]
	}
	return came, nil
}

// received are the descriptors in a control message (unix(7), SCM_RIGHTS).
func received(control []byte) []*os.File {
	var files []*os.File
	messages, _ := syscall.ParseSocketControlMessage(control) // the kernel wrote it
	for i := range messages {
		numbers, _ := syscall.ParseUnixRights(&messages[i]) // an error: no descriptors
		for _, number := range numbers {
			files = append(files, os.NewFile(uintptr(number), "from the bus"))
		}
	}
	return files
}

// keep stores files for take, unless there are none or nobody will take them,
// and returns what is to be closed.
func (c *descriptorConn) keep(files []*os.File) []*os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(files) == 0 {
		return files
	}
	former := c.kept
	c.kept = files
	return former
}

// take hands out the descriptor with this index in the last answer.
func (c *descriptorConn) take(index dbus.UnixFDIndex) (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if uint64(index) >= uint64(len(c.kept)) || c.kept[index] == nil {
		return nil, errors.New("an answer without its descriptor")
	}
	file := c.kept[index]
	c.kept[index] = nil
	return file, nil
}

// Close ends the connection and closes what was not taken.
func (c *descriptorConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	closeAll(c.kept)
	c.kept, c.closed = nil, true
	return c.UnixConn.Close()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close() // nothing was written to it
		}
	}
}
