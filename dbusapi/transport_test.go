// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// replayConn is a connection on which the other side has sent everything
// already.
type replayConn struct {
	net.Conn
	*bytes.Reader
}

func (c replayConn) Read(p []byte) (int, error)     { return c.Reader.Read(p) }
func (replayConn) Write(p []byte) (int, error)      { return len(p), nil }
func (replayConn) SetWriteDeadline(time.Time) error { return nil }
func (replayConn) Close() error                     { return nil }

func replay(stream []byte) replayConn {
	return replayConn{Reader: bytes.NewReader(stream)}
}

// begun is a connection after the authentication.
func begun(stream []byte) *boundedConn {
	c := newBoundedConn(replay(stream))
	c.begun = true
	return c
}

func concat(messages ...[]byte) []byte {
	return bytes.Join(messages, nil)
}

func small(t testing.TB, o binary.ByteOrder) []byte {
	t.Helper()
	return message(t, o, "hello", uint32(7))
}

func oversized(t testing.TB) []byte {
	t.Helper()
	return message(t, binary.LittleEndian, make([]byte, maxMessageBytes))
}

// undecodable is a message with a{bs}, which the library does not even encode.
func undecodable(t testing.TB) []byte {
	t.Helper()
	m := message(t, binary.LittleEndian, map[uint32]string{1: "x"})
	return bytes.Replace(m, []byte("a{us}"), []byte("a{bs}"), 1)
}

// message is a signal with the given body on the wire.
func message(t testing.TB, order binary.ByteOrder, body ...any) []byte {
	t.Helper()
	m := &dbus.Message{
		Type: dbus.TypeSignal,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath:      dbus.MakeVariant(dbus.ObjectPath("/x")),
			dbus.FieldInterface: dbus.MakeVariant("x.y"),
			dbus.FieldMember:    dbus.MakeVariant("Z"),
			dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(body...)),
		},
		Body: body,
	}
	var wire bytes.Buffer
	if err := m.EncodeTo(&wire, order); err != nil {
		t.Fatal(err)
	}
	return wire.Bytes()
}

func TestBoundedConnPassesWhatCanBeUsed(t *testing.T) {
	little, big := small(t, binary.LittleEndian), small(t, binary.BigEndian)
	header := len(message(t, binary.LittleEndian, []byte{}))
	atLimit := message(t, binary.LittleEndian, make([]byte, 65536-header))
	overLimit := message(t, binary.LittleEndian, make([]byte, 65537-header))
	for name, c := range map[string]struct{ stream, want []byte }{
		"small":                {little, little},
		"big endian":           {big, big},
		"at the limit":         {atLimit, atLimit},
		"over the limit":       {concat(little, overLimit, big), concat(little, big)},
		"boolean keys":         {concat(undecodable(t), little), little},
		"two undecodable":      {concat(undecodable(t), undecodable(t)), nil},
		"nothing":              {nil, nil},
		"oversized at the end": {oversized(t), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := io.ReadAll(begun(c.stream))
			if err != nil || !bytes.Equal(got, c.want) {
				t.Fatalf("%d bytes and %v, want %d bytes", len(got), err, len(c.want))
			}
		})
	}
}

// The reason for dropping it: the library takes it for the end of the stream.
func TestLibraryCannotDecodeBooleanKeys(t *testing.T) {
	_, err := dbus.DecodeMessage(bytes.NewReader(undecodable(t)))
	var ignored dbus.InvalidMessageError
	if err == nil || errors.As(err, &ignored) {
		t.Fatalf("%v: the second decoding may be needless now", err)
	}
}

func TestBoundedConnEndsOnWhatIsNotDBus(t *testing.T) {
	_, err := io.ReadAll(begun([]byte("GET / HTTP/1.1\r\n\r\n")))
	if !errors.Is(err, errNotDBus) {
		t.Fatalf("%v", err)
	}
}

func TestBoundedConnEndsInTheMiddleOfAMessage(t *testing.T) {
	for _, whole := range [][]byte{small(t, binary.LittleEndian), oversized(t)} {
		for _, n := range []int{fixedHeaderBytes, len(whole) / 2, len(whole) - 1} {
			got, err := io.ReadAll(begun(whole[:n]))
			if len(got) != 0 {
				t.Errorf("%d of %d bytes: passed %d on (%v)", n, len(whole), len(got), err)
			}
		}
	}
}

func TestBoundedConnLeavesTheAuthenticationAlone(t *testing.T) {
	line := []byte("REJECTED EXTERNAL\r\n")
	c := newBoundedConn(replay(append(line, small(t, binary.LittleEndian)...)))
	got := make([]byte, len(line))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, line) {
		t.Fatalf("%q %v", got, err)
	}
	for _, line := range []string{"\x00", "AUTH\r\n", "BEGIN\r\n"} {
		if c.begun {
			t.Fatalf("begun before %q", line)
		}
		if _, err := c.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if !c.begun {
		t.Fatal("not begun after BEGIN")
	}
}

type brokenConn struct{ replayConn }

func (brokenConn) Write([]byte) (int, error) { return 3, os.ErrDeadlineExceeded }
func (brokenConn) Close() error              { return io.ErrClosedPipe }

func TestBoundedConnClosesAfterHalfAWrite(t *testing.T) {
	c := newBoundedConn(brokenConn{replay(nil)})
	n, err := c.Write([]byte("message"))
	if n != 3 || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("%d %v: not closed", n, err)
	}
}

// What comes through is whole messages that can be decoded and are within the
// limit, whatever goes in.
func FuzzBoundedConn(f *testing.F) {
	captured, err := os.ReadFile("testdata/stream.bin")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(captured)
	f.Add(small(f, binary.BigEndian))
	f.Add(concat(undecodable(f), small(f, binary.LittleEndian)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		passed, _ := io.ReadAll(begun(stream))
		for rest := passed; len(rest) > 0; {
			size, err := messageBytes(rest)
			if err != nil || size > maxMessageBytes || size > int64(len(rest)) {
				t.Fatalf("a message of %d bytes in %d: %v", size, len(rest), err)
			}
			if !decodable(rest[:size]) {
				t.Fatal("cannot be decoded")
			}
			rest = rest[size:]
		}
	})
}
