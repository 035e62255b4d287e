// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
)

const (
	standardErrors = "org.freedesktop.DBus.Error."
	updaterErrors  = "org.clipos.Updater1.Error."
	properties     = "org.freedesktop.DBus.Properties"

	// growthBytes and growthDescriptors are what a daemon may have more after
	// an attack than before: its heap has seen larger times, and the runtime
	// may keep a descriptor of its own.
	growthBytes       = 24 << 20
	growthDescriptors = 2
)

// served is a victim whose daemon runs on a bus of its own.
type served struct {
	*victim
	bus    *dbustest.Bus
	daemon *exec.Cmd
	stderr *bytes.Buffer
	ended  chan struct{}
}

// newServed starts the daemon on a bus with the system's policy and ours.
func newServed(t *testing.T) *served {
	t.Helper()
	policy, err := filepath.Abs("../../dbusapi/org.clipos.Updater1.conf")
	if err != nil {
		t.Fatal(err)
	}
	s := &served{victim: newVictim(t), bus: dbustest.StartSystem(t, policy), stderr: &bytes.Buffer{}, ended: make(chan struct{})}
	s.daemon = exec.Command(filepath.Join(programs, "updaterd"), "--root", s.root, "--bus", s.bus.Address)
	s.daemon.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	s.daemon.Stderr = s.stderr
	s.must(s.daemon.Start())
	go func() { defer close(s.ended); s.daemon.Wait() }()
	t.Cleanup(s.stop)
	s.until("the daemon serves", func() bool { return s.asRoot().Call(properties+".Get", 0, dbusapi.Interface, "State").Err == nil })
	s.before = take(t, s.root)
	return s
}

func (s *served) stop() {
	s.daemon.Process.Signal(syscall.SIGTERM)
	<-s.ended
	if text := s.stderr.String(); strings.Contains(text, "panic") || s.daemon.ProcessState.ExitCode() != 0 {
		s.Errorf("the daemon ended with status %d:\n%s", s.daemon.ProcessState.ExitCode(), text)
	}
}

// until waits for what has to come.
func (s *served) until(what string, holds func() bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("waited in vain: %s", what)
		}
	}
}

func (s *served) asRoot() dbus.BusObject { return s.object(s.bus.ConnectAs(s, 0)) }

func (s *served) asNobody() dbus.BusObject { return s.object(s.bus.ConnectAs(s, dbustest.Nobody)) }

func (s *served) object(c *dbus.Conn) dbus.BusObject { return c.Object(dbusapi.BusName, dbusapi.Path) }

// usage is what the daemon holds at present.
type usage struct{ residentBytes, peakBytes, descriptors int64 }

func (s *served) usage() usage {
	s.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.daemon.Process.Pid))
	s.mustNot(err)
	var u usage
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		kibibytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "VmRSS":
			u.residentBytes = kibibytes << 10
		case "VmHWM":
			u.peakBytes = kibibytes << 10
		}
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.daemon.Process.Pid))
	s.mustNot(err)
	u.descriptors = int64(len(open))
	return u
}

// mustNot is must for what does not change the machine.
func (s *served) mustNot(errs ...error) {
	s.Helper()
	if err := errors.Join(errs...); err != nil {
		s.Fatal(err)
	}
}

// withstands asserts after an attack that the daemon serves, holds what it
// held before, and that the machine is what it was.
func (s *served) withstands(before usage) {
	s.Helper()
	if err := s.asRoot().Call(dbusapi.Interface+".ListVersions", 0).Err; err != nil {
		s.Errorf("it does not serve any more: %v", err)
	}
	var after usage
	s.until("descriptors as before", func() bool {
		after = s.usage()
		return after.descriptors <= before.descriptors+growthDescriptors
	})
	if after.residentBytes > before.residentBytes+growthBytes || after.peakBytes > maxMemoryBytes {
		s.Errorf("memory: %d MiB, before %d, at most %d", after.residentBytes>>20, before.residentBytes>>20, after.peakBytes>>20)
	}
	take(s.T, s.root).sameAs(s.T, s.before)
}

// refusesCall calls a method, which must answer with that error.
func (s *served) refusesCall(o dbus.BusObject, want, method string, args ...any) {
	s.Helper()
	tried.Add(1)
	err := o.Call(method, 0, args...).Err
	if e, _ := errors.AsType[dbus.Error](err); e.Name != want {
		s.Errorf("%s %.100q: %v (%s), want %s", method, args, err, e.Name, want)
	}
}

type options map[string]dbus.Variant

// call is one of a method of the daemon's.
type call struct {
	method string
	args   []any
}

// rightless are all calls that need a right.
var rightless = []call{
	{"Check", []any{options{}}},
	{"Update", []any{"", options{}}},
	{"Update", []any{offered, options{}}},
	{"Update", []any{fallback, options{}}},
	{"Update", []any{"../../etc", options{}}},
	{"Cancel", []any{""}},
	{"Cancel", []any{"1"}},
	{"Rollback", []any{"", options{}}},
	{"Rollback", []any{fallback, options{}}},
	{"MarkBoot", []any{"good", ""}},
	{"MarkBoot", []any{"bad", "because"}},
	{"Hold", []any{"because", uint64(0)}},
	{"Unhold", nil},
	{"ForgetFailure", []any{fallback}},
	{"Reload", nil},
}

// A local user without rights: every method, and every property.
func TestUserWithoutRights(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before, nobody := s.usage(), s.asNobody()
	for _, c := range rightless {
		s.refusesCall(nobody, standardErrors+"AccessDenied", dbusapi.Interface+"."+c.method, c.args...)
	}
	described, names := s.describe(nobody)
	for _, name := range names {
		s.refusesCall(nobody, standardErrors+"PropertyReadOnly", properties+".Set", dbusapi.Interface, name, dbus.MakeVariant("x"))
	}
	// A method that is new has to be in the list above, or here.
	open := []string{"Plan", "ListVersions", "GetHistory"}
	for _, method := range described {
		if !slices.Contains(open, method) && !slices.ContainsFunc(rightless, func(c call) bool { return c.method == method }) {
			t.Errorf("nobody tried %s", method)
		}
	}
	s.refusesCall(nobody, standardErrors+"AccessDenied", "org.freedesktop.DBus.Debug.Stats.GetStats")
	own := s.bus.ConnectAs(t, dbustest.Nobody).BusObject()
	s.refusesCall(own, standardErrors+"AccessDenied", "org.freedesktop.DBus.RequestName", dbusapi.BusName, uint32(dbus.NameFlagReplaceExisting))
	if got := s.server.Requests(); len(got) > 0 {
		t.Errorf("the server was asked: %v", got)
	}
	s.withstands(before)
}

// describe returns the names of the methods and properties that the daemon
// says it has.
func (s *served) describe(o dbus.BusObject) (methods, properties []string) {
	s.Helper()
	var text string
	s.mustNot(o.Call("org.freedesktop.DBus.Introspectable.Introspect", 0).Store(&text))
	var node struct {
		Interfaces []struct {
			Name    string `xml:"name,attr"`
			Methods []struct {
				Name string `xml:"name,attr"`
				Args []struct {
					Type string `xml:"type,attr"`
				} `xml:"arg"`
			} `xml:"method"`
			Properties []struct {
				Name string `xml:"name,attr"`
			} `xml:"property"`
		} `xml:"interface"`
	}
	s.mustNot(xml.Unmarshal([]byte(text), &node))
	for _, i := range node.Interfaces {
		if i.Name != dbusapi.Interface {
			continue
		}
		for _, m := range i.Methods {
			methods = append(methods, m.Name)
			for _, a := range m.Args {
				if strings.Contains(a.Type, "h") {
					s.Errorf("%s takes a descriptor", m.Name)
				}
			}
		}
		for _, p := range i.Properties {
			properties = append(properties, p.Name)
		}
	}
	if len(methods) == 0 || len(properties) == 0 {
		s.Fatalf("described are %q and %q", methods, properties)
	}
	return methods, properties
}

// What may be read must not tire anybody out: each user has the server asked five
// times at once, and then once in two seconds. A machine so slow that no call
// comes too early shows nothing.
func TestPlanFlood(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before, nobody := s.usage(), s.asNobody()
	tried.Add(1)
	answered, begin := 0, time.Now()
	for range 50 {
		err := nobody.Call(dbusapi.Interface+".Plan", 0, "").Err
		if err == nil {
			answered++
		} else if e, _ := errors.AsType[dbus.Error](err); e.Name != standardErrors+"LimitsExceeded" {
			t.Error(err)
		}
	}
	if most := 5 + int(time.Since(begin)/(2*time.Second)); answered > most {
		t.Errorf("%d calls were answered, want at most %d", answered, most)
	}
	s.withstands(before)
}

// 300 calls with a descriptor each, to methods there are and are not.
func TestDescriptorFlood(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before := s.usage()
	for _, method := range []string{dbusapi.Interface + ".Cancel", dbusapi.Interface + ".ListVersions", "org.freedesktop.DBus.Peer.Ping"} {
		tried.Add(1)
		// As root: of the two connections that the helpers make, only this one
		// can send descriptors, and the refusal is the same for everybody.
		conn, err := dbus.Connect(s.bus.Address)
		s.mustNot(err)
		defer conn.Close()
		for range 100 {
			err := s.object(conn).Call(method, 0, dbus.UnixFD(0)).Err
			if e, _ := errors.AsType[dbus.Error](err); e.Name != standardErrors+"NotSupported" {
				t.Fatalf("%s: %v", method, err)
			}
		}
	}
	s.withstands(before)
}

// Messages of 16 MiB that would each cost ten times that to decode: the body
// of the second is a list of four million variants.
func TestHugeMessage(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before := s.usage()
	const size = 16 << 20
	length := binary.LittleEndian.AppendUint32(nil, size)
	for signature, body := range map[string][]byte{
		"s":  slices.Concat(length, bytes.Repeat([]byte{'x'}, size), []byte{0}),
		"av": slices.Concat(length, bytes.Repeat([]byte{1, 'y', 0, 7}, size/4)),
	} {
		tried.Add(1)
		socket := s.bus.DialAs(t, dbustest.Nobody, "")
		conn := dbustest.Greet(t, socket, dbustest.Nobody)
		_, err := socket.Write(message("Update", signature, body))
		s.mustNot(err)
		// Messages arrive in order: when this is answered, that was looked at.
		if err := s.object(conn).Call("org.freedesktop.DBus.Peer.Ping", 0).Err; err != nil {
			t.Errorf("%s: %v", signature, err)
		}
	}
	s.withstands(before)
}

// 1000 calls at once, of each kind.
func TestThousandCallsAtOnce(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before := s.usage()
	for _, c := range []call{
		{dbusapi.Interface + ".Update", []any{offered, options{}}},
		{dbusapi.Interface + ".ListVersions", nil},
		{properties + ".GetAll", []any{dbusapi.Interface}},
		{"org.freedesktop.DBus.Introspectable.Introspect", nil},
	} {
		tried.Add(1)
		var callers sync.WaitGroup
		for range 10 {
			o := s.asNobody()
			callers.Go(func() {
				done := make(chan *dbus.Call, 100)
				for range 100 {
					o.Go(c.method, 0, done, c.args...)
				}
				for range 100 {
					call := <-done
					e, _ := errors.AsType[dbus.Error](call.Err)
					isRefused := e.Name == standardErrors+"LimitsExceeded" || e.Name == standardErrors+"AccessDenied"
					if isRefused || call.Err == nil && c.method != dbusapi.Interface+".Update" {
						continue
					}
					t.Errorf("%s: %v", c.method, call.Err)
				}
			})
		}
		callers.Wait()
	}
	s.withstands(before)
}

// message is a method call to the daemon with a body made by hand.
func message(member, signature string, body []byte) []byte {
	m := &dbus.Message{
		Type: dbus.TypeMethodCall,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(dbusapi.BusName),
			dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(dbusapi.Path)),
			dbus.FieldInterface:   dbus.MakeVariant(dbusapi.Interface),
			dbus.FieldMember:      dbus.MakeVariant(member),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.ParseSignatureMust(signature)),
		},
	}
	var b bytes.Buffer
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		panic(err)
	}
	// Length of the body and serial number of the message, which the library
	// left at zero (D-Bus Specification, Message Format).
	const serial = 1 << 20
	data := b.Bytes()
	binary.LittleEndian.PutUint32(data[4:], uint32(len(body)))
	binary.LittleEndian.PutUint32(data[8:], serial)
	return append(data, body...)
}

// Half a message and silence, a hundred times; and connections that say
// nothing at all.
func TestHalfAMessage(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before := s.usage()
	for i := range 100 {
		tried.Add(1)
		socket := s.bus.DialAs(t, dbustest.Nobody, "")
		if i%10 == 0 {
			continue
		}
		dbustest.Greet(t, socket, dbustest.Nobody)
		whole := message("ForgetFailure", "s", slices.Concat([]byte{4, 0, 0, 0}, []byte("evil"), []byte{0}))
		_, err := socket.Write(whole[:len(whole)*(i%10)/10])
		s.mustNot(err)
	}
	s.withstands(before)
}

// Root's own calls with what is no version, no time and no option.
func TestBadArguments(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before, root := s.usage(), s.asRoot()
	for _, version := range append([]string{"/tmp/evil.img", "/dev/sda", "core_" + offered, strings.Repeat("9.", 10_000)}, badVersions...) {
		if version == "" || strings.Contains(version, "\\") {
			continue
		}
		s.refusesCall(root, updaterErrors+"InvalidVersion", dbusapi.Interface+".Update", version, options{})
		s.refusesCall(root, updaterErrors+"InvalidVersion", dbusapi.Interface+".Plan", version)
	}
	for _, c := range map[string]call{
		"an option":            {"Update", []any{"", options{"file": dbus.MakeVariant("/tmp/x")}}},
		"an option of Check":   {"Check", []any{options{"url": dbus.MakeVariant("https://evil")}}},
		"a number for a text":  {"Update", []any{int32(65), options{}}},
		"a variant for a text": {"Cancel", []any{dbus.MakeVariant("x")}},
		"another result":       {"MarkBoot", []any{"great", ""}},
		"hold until the past":  {"Hold", []any{"x", uint64(1)}},
		"too many arguments":   {"Reload", []any{"x"}},
	} {
		s.refusesCall(root, standardErrors+"InvalidArgs", dbusapi.Interface+"."+c.method, c.args...)
	}
	s.refusesCall(root, standardErrors+"UnknownMethod", dbusapi.Interface+".InstallFile", "/tmp/evil.img")
	s.withstands(before)
}

// What --once calls nothing to do has a name on the bus; so have the others.
func TestOffersOnTheBus(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before, root := s.usage(), s.asRoot()
	update := func(want, version string) {
		s.refusesCall(root, updaterErrors+want, dbusapi.Interface+".Update", version, options{})
	}
	update("NoUpdate", running)
	update("NoUpdate", fallback)
	update("UnknownVersion", "999.0.0")
	s.forges("core.sig", body("garbage"))
	update("SignatureInvalid", offered)
	s.forges("core.sig", body(genuine(t, webroot, "core.sig")+strings.Repeat("x", 8192)))
	update("SignatureInvalid", offered)
	s.withstands(before)
}
