// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
)

const (
	login1Name = "org.freedesktop.login1"
	login1Path = "/org/freedesktop/login1"
)

// startLogin1 exports a fake login1 whose Inhibit is the given function.
func startLogin1(t *testing.T, bus *dbustest.Bus, inhibit any) {
	t.Helper()
	conn := rawConn(t, bus)
	own(t, conn, login1Name, login1Path, "org.freedesktop.login1.Manager", map[string]any{"Inhibit": inhibit})
}

// own puts an object of a fake service on the bus.
func own(t *testing.T, conn *dbus.Conn, name string, path dbus.ObjectPath, iface string, table map[string]any) {
	t.Helper()
	if err := conn.ExportMethodTable(table, path, iface); err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName(name, 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
}

// lock is a pipe: who reads it sees whether anybody has the other end.
func lock(t *testing.T) (watch, end *os.File) {
	t.Helper()
	watch, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { watch.Close(); end.Close() })
	return watch, end
}

// isHeld tells whether somebody has the other end of a lock.
func isHeld(t *testing.T, watch *os.File) bool {
	t.Helper()
	raw, err := watch.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var failure error
	if err := raw.Read(func(fd uintptr) bool {
		n, failure = syscall.Read(int(fd), make([]byte, 1)) // which does not wait
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if failure != nil && failure != syscall.EAGAIN {
		t.Fatal(failure)
	}
	return failure != nil || n != 0
}

// noGarbage keeps the collector away, which closes forgotten files some day.
func noGarbage(t *testing.T) {
	t.Helper()
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
}

// expectDescriptors waits until no more descriptors are open than before.
func expectDescriptors(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); openDescriptors(t) > before; {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors open, %d before", openDescriptors(t), before)
		}
		runtime.Gosched()
	}
}

func TestInhibit(t *testing.T) {
	bus := dbustest.Start(t)
	watch, end := lock(t)
	fd := dbus.UnixFD(end.Fd())
	asked := make(chan []string, 1)
	startLogin1(t, bus, func(what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
		asked <- []string{what, who, why, mode}
		return fd, nil
	})
	before := openDescriptors(t)
	release, err := Inhibit(t.Context(), bus.Address, "installing 5.0.0")
	if err != nil {
		t.Fatal(err)
	}
	end.Close() // what is left is the inhibitor's
	if got, want := <-asked, []string{"shutdown:sleep", "updaterd", "installing 5.0.0", "block"}; !slices.Equal(got, want) {
		t.Errorf("login1 was asked %q, want %q", got, want)
	}
	expectDescriptors(t, before) // the inhibitor for the one closed, and no connection
	bus.Stop()
	runtime.GC()
	if !isHeld(t, watch) {
		t.Error("not held any more")
	}
	release()
	if isHeld(t, watch) {
		t.Error("still held")
	}
	release() // no harm
}

// Every way to fail says so and leaves no descriptor behind.
func TestInhibitFails(t *testing.T) {
	noGarbage(t)
	_, end := lock(t)
	fd := dbus.UnixFD(end.Fd())
	for name, tc := range map[string]struct {
		inhibit any
		say     string
	}{
		"refused": {func(string, string, string, string) (dbus.UnixFD, *dbus.Error) {
			return 0, dbus.NewError(standardErrorPrefix+"AccessDenied", []any{"not you"})
		}, "inhibitor: not you"},
		"refused with a descriptor": {func(string, string, string, string) (dbus.UnixFD, *dbus.Error) {
			return 0, dbus.NewError(standardErrorPrefix+"AccessDenied", []any{fd})
		}, "inhibitor: "},
		"text":            {func(string, string, string, string) (string, *dbus.Error) { return "x", nil }, "inhibitor: "},
		"nothing":         {func(string, string, string, string) *dbus.Error { return nil }, "inhibitor: "},
		"two descriptors": {func(string, string, string, string) (dbus.UnixFD, dbus.UnixFD, *dbus.Error) { return fd, fd, nil }, "inhibitor: "},
		"a descriptor and text": {func(string, string, string, string) (string, dbus.UnixFD, *dbus.Error) {
			return "x", fd, nil
		}, "inhibitor: "},
		"too long an answer": {func(string, string, string, string) (dbus.UnixFD, string, *dbus.Error) {
			return fd, strings.Repeat("x", maxMessageBytes), nil
		}, "inhibitor: "},
	} {
		t.Run(name, func(t *testing.T) {
			bus := dbustest.Start(t)
			startLogin1(t, bus, tc.inhibit)
			before := openDescriptors(t)
			release, err := Inhibit(t.Context(), bus.Address, "x")
			if release != nil || err == nil || !strings.HasPrefix(err.Error(), tc.say) || errors.Is(err, ErrNoLogin1) {
				t.Errorf("%v", err)
			}
			expectDescriptors(t, before)
		})
	}
}

func TestInhibitWithoutLogin1(t *testing.T) {
	bus := dbustest.StartWith(t, dbustest.Open+activatable(t, login1Name))
	before := openDescriptors(t)
	if _, err := Inhibit(t.Context(), bus.Address, "x"); !errors.Is(err, ErrNoLogin1) {
		t.Errorf("%v", err)
	}
	expectDescriptors(t, before)
	bus.Stop()
	before = openDescriptors(t)
	if _, err := Inhibit(t.Context(), bus.Address, "x"); !errors.Is(err, ErrNoBus) {
		t.Errorf("no bus: %v", err)
	}
	expectDescriptors(t, before)
}

// activatable has the bus try, and fail, to start a service that is called.
func activatable(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	text := "[D-BUS Service]\nName=" + name + "\nExec=/bin/false\n"
	if err := os.WriteFile(filepath.Join(dir, name+".service"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return "<servicedir>" + dir + "</servicedir>"
}

// An answer that comes too late has nobody to close its descriptor but us.
func TestInhibitTooLate(t *testing.T) {
	noGarbage(t)
	bus := dbustest.Start(t)
	_, end := lock(t)
	fd := dbus.UnixFD(end.Fd())
	cancels := make(chan context.CancelFunc, 1)
	startLogin1(t, bus, func(string, string, string, string) (dbus.UnixFD, *dbus.Error) {
		(<-cancels)()
		return fd, nil
	})
	before := openDescriptors(t)
	for range 20 { // the answer and the end race
		ctx, cancel := context.WithCancel(t.Context())
		cancels <- cancel
		if release, err := Inhibit(ctx, bus.Address, "x"); err == nil {
			release()
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		expectDescriptors(t, before)
	}
}

// Others send this connection descriptors while it waits for the answer.
func TestInhibitTakesNoOtherDescriptors(t *testing.T) {
	noGarbage(t)
	bus := dbustest.Start(t)
	watch, end := lock(t)
	fd := dbus.UnixFD(end.Fd())
	_, file := lock(t)
	foreign := dbus.UnixFD(file.Fd())
	stranger := rawConn(t, bus)
	message := func(kind dbus.Type, to string) *dbus.Message {
		body := []any{foreign, []dbus.UnixFD{foreign}, dbus.MakeVariant(foreign)}
		return &dbus.Message{Type: kind, Flags: dbus.FlagNoReplyExpected, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(to),
			dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath("/x")),
			dbus.FieldInterface:   dbus.MakeVariant("a.b"),
			dbus.FieldMember:      dbus.MakeVariant("C"),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(body...)),
		}}
	}
	startLogin1(t, bus, func(caller dbus.Sender, _, _, _, _ string) (dbus.UnixFD, *dbus.Error) {
		for range 50 {
			for _, kind := range []dbus.Type{dbus.TypeSignal, dbus.TypeMethodCall} {
				if err := stranger.Send(message(kind, string(caller)), nil).Err; err != nil {
					t.Error(err)
				}
			}
		}
		// The bus has passed them all on when it answers this.
		if err := stranger.BusObject().Call("org.freedesktop.DBus.GetId", 0).Err; err != nil {
			t.Error(err)
		}
		return fd, nil
	})
	before := openDescriptors(t)
	release, err := Inhibit(t.Context(), bus.Address, "x")
	if err != nil {
		t.Fatal(err)
	}
	end.Close()
	expectDescriptors(t, before)
	if !isHeld(t, watch) {
		t.Error("held something else")
	}
	release()
	for isHeld(t, watch) { // the bus lets go of its copies when it likes
		runtime.Gosched()
	}
}

// What arrives when nobody will take it any more is closed by whoever has it.
func TestDescriptorsAfterTheEnd(t *testing.T) {
	bus := dbustest.Start(t)
	c, descriptors, err := dialDescriptors(t.Context(), bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	_, first := lock(t)
	_, second := lock(t)
	if left := descriptors.keep([]*os.File{first}); len(left) != 0 {
		t.Errorf("%d not kept", len(left))
	}
	if left := descriptors.keep([]*os.File{second}); !slices.Equal(left, []*os.File{first}) {
		t.Errorf("%d to be closed, not the one of the answer before", len(left))
	}
	c.close()
	if err := second.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("was still open: %v", err)
	}
	if left := descriptors.keep([]*os.File{first}); !slices.Equal(left, []*os.File{first}) {
		t.Errorf("%d to be closed after the end", len(left))
	}
	if _, err := descriptors.take(0); err == nil {
		t.Error("taken after the end")
	}
}

// A signal with a descriptor right behind the answer does not take its place.
func TestDescriptorsAreTheAnswers(t *testing.T) {
	noGarbage(t)
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	bus, ours := unixConn(t, ends[0]), unixConn(t, ends[1])
	ourWatch, ourEnd := lock(t)
	strangeWatch, strangeEnd := lock(t)
	send := func(end *os.File, kind dbus.Type, headers map[dbus.HeaderField]dbus.Variant) {
		headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(dbus.UnixFD(0)))
		headers[dbus.FieldUnixFDs] = dbus.MakeVariant(uint32(1))
		var encoded bytes.Buffer
		fds, err := (&dbus.Message{Type: kind, Headers: headers, Body: []any{dbus.UnixFD(end.Fd())}}).
			EncodeToWithFDs(&encoded, binary.LittleEndian)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := bus.WriteMsgUnix(encoded.Bytes(), syscall.UnixRights(fds...), nil); err != nil {
			t.Fatal(err)
		}
		end.Close()
	}
	send(ourEnd, dbus.TypeMethodReply, map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(uint32(1))})
	send(strangeEnd, dbus.TypeSignal, map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath("/x")), dbus.FieldInterface: dbus.MakeVariant("a.b"), dbus.FieldMember: dbus.MakeVariant("C"),
	})
	bus.Close()
	d := &descriptorConn{UnixConn: ours, begun: true}
	passed, err := io.ReadAll(d)
	if m, decodingErr := dbus.DecodeMessage(bytes.NewReader(passed)); !errors.Is(err, io.EOF) || decodingErr != nil || m.Type != dbus.TypeMethodReply {
		t.Errorf("passed on %q, %v", passed, err)
	}
	if !isHeld(t, ourWatch) || isHeld(t, strangeWatch) {
		t.Error("kept the wrong one")
	}
	file, err := d.take(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.take(0); err == nil {
		t.Error("taken twice")
	}
	d.Close()
	if !isHeld(t, ourWatch) {
		t.Error("closed although it was taken")
	}
	if file.Close(); isHeld(t, ourWatch) {
		t.Error("somebody else has it too")
	}
}

func unixConn(t *testing.T, fd int) *net.UnixConn {
	t.Helper()
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.UnixConn)
}
