// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	// maxMessageBytes bounds what is decoded. A list of variants takes ten
	// times its size in memory once decoded, and the bus itself allows 32 MiB.
	// No message of this interface comes near it.
	maxMessageBytes = 64 << 10

	// fixedHeaderBytes is the part of a message whose size does not vary
	// (D-Bus Specification, "Message Format"): byte order, type, flags,
	// version, body length, serial, length of the header fields.
	fixedHeaderBytes = 16

	// writeLimit ends a connection whose bus takes nothing any more.
	writeLimit = 10 * time.Second
)

var errNotDBus = errors.New("the bus does not speak D-Bus")

// boundedConn is the stream between the library and the bus. While they
// authenticate it passes bytes on as they are; from BEGIN on it passes whole
// messages on, and only those that are small enough and can be decoded: what
// the library cannot decode (a dictionary with a boolean for its key, say) would
// end the connection, and anybody can send one.
//
// It is no net.UnixConn, so the library does not negotiate descriptor passing
// and the bus refuses messages that carry any: the library never closes those
// it is sent.
type boundedConn struct {
	net.Conn
	messages *bufio.Reader
	begun    bool
	message  []byte // storage, reused
	unread   []byte // of message
}

func newBoundedConn(c net.Conn) *boundedConn {
	return &boundedConn{Conn: c, messages: bufio.NewReader(c)}
}

// Write passes p on. A write that fails has perhaps sent half a message, so it
// ends the connection.
func (c *boundedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if err != nil {
		return n, errors.Join(err, c.Close())
	}
	// The last line of the client's side of the authentication. The library
	// reads messages in a goroutine it starts after this write.
	if !c.begun && bytes.Equal(p, []byte("BEGIN\r\n")) {
		c.begun = true
	}
	return n, nil
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if !c.begun {
		return c.Conn.Read(p)
	}
	return takeUnread(p, &c.unread, c.next)
}

// takeUnread moves what is unread to p, once next has put something there.
func takeUnread(p []byte, unread *[]byte, next func() error) (int, error) {
	for len(*unread) == 0 {
		if err := next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, *unread)
	*unread = (*unread)[n:]
	return n, nil
}

// next reads one message; unread stays empty when it is to be dropped.
func (c *boundedConn) next() error {
	header, err := c.messages.Peek(fixedHeaderBytes)
	if err != nil {
		return err
	}
	size, err := messageBytes(header)
	if err != nil {
		return err
	}
	if size > maxMessageBytes {
		_, err := io.CopyN(io.Discard, c.messages, size)
		return err
	}
	c.message = append(c.message[:0], make([]byte, size)...)
	if _, err := io.ReadFull(c.messages, c.message); err != nil {
		return err
	}
	if decodable(c.message) {
		c.unread = c.message
	}
	return nil
}

// messageBytes is the whole size of the message that begins with header.
func messageBytes(header []byte) (int64, error) {
	var order binary.ByteOrder
	switch header[0] {
	case 'l':
		order = binary.LittleEndian
	case 'B':
		order = binary.BigEndian
	default:
		return 0, errNotDBus
	}
	body := int64(order.Uint32(header[4:]))
	fields := int64(order.Uint32(header[12:]))
	padded := (fields + 7) &^ 7 // the body begins at a multiple of eight
	return fixedHeaderBytes + padded + body, nil
}

// decodable tells whether the library decodes message. The answer costs a
// second decoding, of 64 KiB at most.
func decodable(message []byte) (ok bool) {
	// The decoder turns its own panics into errors but not those of reflect.
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	_, err := dbus.DecodeMessage(bytes.NewReader(message))
	return err == nil
}
