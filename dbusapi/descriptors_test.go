// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"
)

// socketPair is a stream of this process with itself.
func socketPair(t *testing.T) (ours, theirs *net.UnixConn) {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range pair {
		file := os.NewFile(uintptr(fd), "socketpair")
		conn, err := net.FileConn(file)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		ends[i] = conn.(*net.UnixConn)
		t.Cleanup(func() { conn.Close() })
	}
	return ends[0], ends[1]
}

// A large signal, which anybody may send, does not keep the answer from coming.
func TestDescriptorConnDropsLargeMessages(t *testing.T) {
	answer := small(t, binary.LittleEndian)
	answer[1] = byte(dbus.TypeMethodReply)
	ours, theirs := socketPair(t)
	watch, end := lock(t)
	go func() {
		defer theirs.Close()
		defer end.Close()
		large := oversized(t)
		_, _ = theirs.Write(large[:100])
		_, _, _ = theirs.WriteMsgUnix(large[100:], syscall.UnixRights(int(end.Fd())), nil)
		_, _ = theirs.Write(answer)
	}()
	c := &descriptorConn{UnixConn: ours, begun: true}
	if passed, err := io.ReadAll(c); !bytes.Equal(passed, answer) {
		t.Errorf("passed on %d bytes, %v; want %d", len(passed), err, len(answer))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if isHeld(t, watch) {
		t.Error("a descriptor is still open")
	}
}

// FuzzDescriptorConn: what comes through is whole answers within the limit,
// whatever the bus sends, and of its descriptors none stays open.
func FuzzDescriptorConn(f *testing.F) {
	answer := small(f, binary.LittleEndian)
	answer[1] = byte(dbus.TypeMethodReply)
	f.Add(answer, 0)
	f.Add(concat(small(f, binary.BigEndian), answer, answer), 20)
	f.Add(oversized(f), 1)
	captured, err := os.ReadFile("testdata/stream.bin")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(captured, len(captured)/2)
	f.Fuzz(func(t *testing.T, stream []byte, at int) {
		if len(stream) == 0 || len(stream) > maxMessageBytes+4096 {
			return // what a socket takes at once
		}
		at = max(at, 0) % len(stream)
		ours, theirs := socketPair(t)
		watch, end := lock(t)
		_, err := theirs.Write(stream[:at])
		if err == nil {
			_, _, err = theirs.WriteMsgUnix(stream[at:], syscall.UnixRights(int(end.Fd())), nil)
		}
		if err := errors.Join(err, end.Close(), theirs.Close()); err != nil {
			t.Fatal(err)
		}
		c := &descriptorConn{UnixConn: ours, begun: true}
		passed, _ := io.ReadAll(c)
		for rest := passed; len(rest) > 0; {
			size, err := messageBytes(rest)
			if err != nil || size > maxMessageBytes || size > int64(len(rest)) {
				t.Fatalf("a message of %d bytes in %d: %v", size, len(rest), err)
			}
			if kind := dbus.Type(rest[1]); kind != dbus.TypeMethodReply && kind != dbus.TypeError {
				t.Fatalf("passed a message of type %d on", kind)
			}
			rest = rest[size:]
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if isHeld(t, watch) {
			t.Error("a descriptor is still open")
		}
	})
}
