// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// What an administrator types.
func TestBusctl(t *testing.T) {
	bus := dbustest.Start(t)
	s := start(t, bus, &fakeController{})
	s.Publish(sampleOverview())
	target := []string{BusName, Path, Interface}
	property := func(name string) []string { return append(append([]string{"get-property"}, target...), name) }
	call := func(args ...string) []string { return append(append([]string{"call"}, target...), args...) }
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"text":                {property("RunningVersion"), `s "4.9.0"`},
		"version":             {property("DaemonVersion"), `s "1.2.3"`},
		"number":              {property("BytesTotal"), `t 400`},
		"double":              {property("Progress"), `d 0.25`},
		"bool":                {property("Cancelable"), `b true`},
		"time":                {property("LastCheck"), `t 1777636800000123`},
		"time left":           {property("RemainingTime"), `t 6000000`},
		"error":               {property("LastError"), `(ss) "org.clipos.Updater1.Error.Busy" "an update is already running"`},
		"check":               {call("Check", "a{sv}", "0"), `"download_bytes" t 1073741824`},
		"update":              {call("Update", "sa{sv}", "5.0.0", "0"), `s "t1"`},
		"cancel":              {call("Cancel", "s", "t1"), ``},
		"list":                {call("ListVersions"), `aa{sv} 2 7 `},
		"tree":                {[]string{"tree", BusName}, "/org/clipos/Updater1"},
		"introspect":          {[]string{"introspect", BusName, Path}, ".ListVersions                       method    -         aa{sv}"},
		"introspect a parent": {[]string{"introspect", BusName, "/org/clipos"}, "org.freedesktop.DBus.Peer "},
		"ping":                {[]string{"call", BusName, "/org", peerInterface, "Ping"}, ""},
		"get all":             {[]string{"call", BusName, Path, propertiesInterface, "GetAll", "s", Interface}, "a{sv} 25 "},
	} {
		t.Run(name, func(t *testing.T) {
			out, complaints, err := bus.Busctl(t, 0, c.args...)
			if err != nil || !strings.Contains(out, c.want) {
				t.Fatalf("%q %q %v, want %q", out, complaints, err, c.want)
			}
		})
	}
}

// Pitfall 4: wrong members and arguments get the standard errors, and the controller is
// not asked.
func TestStandardErrors(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	start(t, bus, c)
	object := rawConn(t, bus).Object(BusName, Path)
	options := dict{"dry-run": dbus.MakeVariant(true)}
	none := dict{}
	for name, call := range map[string]struct {
		method string
		args   []any
		want   string
		say    string
	}{
		"method":              {Interface + ".Explode", nil, "UnknownMethod", "Explode"},
		"interface":           {"org.clipos.Updater2.Check", nil, "UnknownInterface", "org.clipos.Updater2"},
		"no arguments":        {Interface + ".Check", nil, "InvalidArgs", ""},
		"too many":            {Interface + ".ListVersions", []any{"x"}, "InvalidArgs", ""},
		"number for text":     {Interface + ".Update", []any{int32(65), none}, "InvalidArgs", `"sa{sv}"`},
		"variant for text":    {Interface + ".Cancel", []any{dbus.MakeVariant("t1")}, "InvalidArgs", `"s"`},
		"path for text":       {Interface + ".Cancel", []any{dbus.ObjectPath("/t1")}, "InvalidArgs", `"s"`},
		"numbers for keys":    {Interface + ".Check", []any{map[uint32]dbus.Variant{1: dbus.MakeVariant("x")}}, "InvalidArgs", ""},
		"text for options":    {Interface + ".Check", []any{map[string]string{}}, "InvalidArgs", ""},
		"list for options":    {Interface + ".Check", []any{[]string{"x"}}, "InvalidArgs", ""},
		"struct for text":     {Interface + ".Cancel", []any{errorPair{"a", "b"}}, "InvalidArgs", ""},
		"option of Check":     {Interface + ".Check", []any{options}, "InvalidArgs", `"dry-run"`},
		"option of Rollback":  {Interface + ".Rollback", []any{"", options}, "InvalidArgs", `"dry-run"`},
		"result of MarkBoot":  {Interface + ".MarkBoot", []any{"great", "it runs"}, "InvalidArgs", `"great"`},
		"long result":         {Interface + ".MarkBoot", []any{strings.Repeat("é", 20000), ""}, "InvalidArgs", `é"`},
		"hold without reason": {Interface + ".Hold", []any{"", uint64(0)}, "InvalidArgs", "reason"},
		"hold with a blank":   {Interface + ".Hold", []any{" ", uint64(0)}, "InvalidArgs", "reason"},
		"hold until the past": {Interface + ".Hold", []any{"audit", micros(noon.AddDate(-10, 0, 0))}, "InvalidArgs", "future"},
		"hold until 10000":    {Interface + ".Hold", []any{"audit", uint64(253402300800_000_000)}, "InvalidArgs", "future"},
		"hold for ever":       {Interface + ".Hold", []any{"audit", uint64(math.MaxUint64)}, "InvalidArgs", "future"},
		"signed limit":        {Interface + ".GetHistory", []any{int32(1)}, "InvalidArgs", `"u"`},
		"option of Update":    {Interface + ".Update", []any{"5.0.0", options}, "InvalidArgs", `"dry-run"`},
		"property":            {propertiesInterface + ".Get", []any{Interface, "Nope"}, "UnknownProperty", "Nope"},
		"property of another interface": {
			propertiesInterface + ".Get", []any{peerInterface, "State"}, "UnknownProperty", "State",
		},
		"interface of a property": {propertiesInterface + ".Get", []any{"a.b", "State"}, "UnknownInterface", "a.b"},
		"interface of all":        {propertiesInterface + ".GetAll", []any{"a.b"}, "UnknownInterface", "a.b"},
		"set":                     {propertiesInterface + ".Set", []any{Interface, "State", dbus.MakeVariant("idle")}, "PropertyReadOnly", "State"},
		"set unknown":             {propertiesInterface + ".Set", []any{Interface, "Nope", dbus.MakeVariant("idle")}, "UnknownProperty", "Nope"},
		"set without a variant":   {propertiesInterface + ".Set", []any{Interface, "State", "idle"}, "InvalidArgs", ""},
		"peer":                    {peerInterface + ".Explode", nil, "UnknownMethod", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := object.Call(call.method, 0, call.args...).Err
			if got := errorNameOf(t, err); got != standardErrorPrefix+call.want || !strings.Contains(err.Error(), call.say) {
				t.Errorf("%s: %v, want %s saying %s", got, err, call.want, call.say)
			}
		})
	}
	if asked := c.calls(); len(asked) != 0 {
		t.Errorf("the controller was asked: %q", asked)
	}
}

// Everybody may read, nobody but root may do anything.
func TestCallerWithoutRights(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	s := start(t, bus, c)
	s.Publish(sampleOverview())
	call := func(args ...string) (string, string, error) {
		return bus.Busctl(t, dbustest.Nobody, append([]string{"call", BusName, Path, Interface}, args...)...)
	}
	for _, args := range [][]string{
		{"Check", "a{sv}", "0"},
		{"Update", "sa{sv}", "", "0"},
		{"Update", "sa{sv}", "5.0.0", "0"},
		{"Cancel", "s", ""},
		{"Cancel", "s", "t1"},
		{"Rollback", "sa{sv}", "", "0"},
		{"MarkBoot", "ss", "good", ""},
		{"Hold", "st", "audit", "0"},
		{"Unhold"},
		{"ForgetFailure", "s", "5.0.0"},
		{"Reload"},
	} {
		out, complaints, err := call(args...)
		if err == nil || !strings.Contains(complaints, "Access denied") {
			t.Errorf("%s: %q %q %v", args, out, complaints, err)
		}
	}
	if asked := c.calls(); len(asked) != 0 {
		t.Errorf("the controller was asked: %q", asked)
	}
	if out, complaints, err := call("ListVersions"); err != nil || !strings.Contains(out, `"core_4.9.0"`) {
		t.Errorf("ListVersions: %q %q %v", out, complaints, err)
	}
	out, complaints, err := bus.Busctl(t, dbustest.Nobody, "get-property", BusName, Path, Interface, "State")
	if err != nil || out != "s \"updating\"\n" {
		t.Errorf("State: %q %q %v", out, complaints, err)
	}
}

// Who is gone cannot be told from somebody who took its place: refused.
func TestCallerUnknown(t *testing.T) {
	bus := dbustest.Start(t)
	conn, err := dial(t.Context(), bus.Address, newNameWatch())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	if err := conn.handshake(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ask := range map[string]func() (caller, error){
		"gone":      func() (caller, error) { return identify(t.Context(), conn, ":1.99") },
		"no sender": func() (caller, error) { return identify(t.Context(), conn, "") },
		"no answer": func() (caller, error) { return identify(ended, conn, conn.Names()[0]) },
	} {
		got, err := ask()
		var refusal *dbus.Error
		if !errors.As(err, &refusal) || refusal.Name != standardErrorPrefix+"AccessDenied" {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	if got, err := identify(t.Context(), conn, conn.Names()[0]); err != nil || got.uid != 0 {
		t.Errorf("oneself: %+v %v", got, err)
	}
}

// Whoever began a job may cancel it, even without the right to cancel; for the
// jobs of others the right is needed.
func TestOwnerMayCancel(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	s := newService(t, bus, c)
	s.authoriser = everybody{denied: actionCancel}
	run(t, s)
	nobody := func(args ...string) error {
		_, complaints, err := bus.Busctl(t, dbustest.Nobody, append([]string{"call", BusName, Path, Interface}, args...)...)
		if err != nil {
			return fmt.Errorf("%s", complaints)
		}
		return nil
	}
	root := newClient(t, bus)

	if err := nobody("Update", "sa{sv}", "5.0.0", "0"); err != nil {
		t.Fatal(err)
	}
	// Root joins, and does not become the owner by it.
	if _, err := root.Update(t.Context(), "5.0.0"); err != nil {
		t.Fatal(err)
	}
	c.setOverview(updater.Overview{Transaction: "t1"})
	if err := root.Cancel(t.Context(), "t1"); ErrorName(err) != "AccessDenied" {
		t.Errorf("the job of another: %v", err)
	}
	for _, transaction := range []string{"t1", ""} {
		if err := nobody("Cancel", "s", transaction); err != nil {
			t.Errorf("cancelling %q: %v", transaction, err)
		}
	}
	c.setOverview(updater.Overview{Transaction: "t2"})
	for _, transaction := range []string{"t2", ""} {
		if err := nobody("Cancel", "s", transaction); err == nil {
			t.Errorf("cancelling %q: allowed", transaction)
		}
	}
	want := []string{"update 5.0.0", "update 5.0.0", "cancel t1", "cancel t1"}
	if asked := c.calls(); !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

func TestWhatCostsIsLimitedForEachUser(t *testing.T) {
	for name, members := range map[string]map[string][]any{
		// A plan and an update ask the server too and count like a check.
		"asking the server": {"Check": {dict{}}, "Plan": {""}, "Update": {"", dict{}}},
		"reading the disk":  {"ListVersions": nil},
	} {
		t.Run(name, func(t *testing.T) {
			bus := dbustest.Start(t)
			c := &fakeController{}
			s := newService(t, bus, c)
			s.authoriser = everybody{}
			run(t, s)
			for _, user := range []uint32{dbustest.Nobody, 1} {
				before := len(c.calls())
				for member, args := range members {
					conn, refused := bus.ConnectAs(t, user), 0
					for range checkBurst + 3 {
						if answerOf(t, send(conn, 0, member, args...)) == "LimitsExceeded" {
							refused++
						}
					}
					if refused == 0 {
						t.Errorf("%s of user %d: never refused", member, user)
					}
				}
				if n := len(c.calls()) - before; n < checkBurst {
					t.Errorf("user %d: asked %d times", user, n)
				}
			}
			root := rawConn(t, bus)
			for member, args := range members {
				for range 3 * checkBurst {
					if got := answerOf(t, send(root, 0, member, args...)); got != "" {
						t.Fatalf("%s of root: %s", member, got)
					}
				}
			}
		})
	}
}

// Each error of the controller arrives with its name and text.
func TestErrorsOfTheController(t *testing.T) {
	bus := dbustest.Start(t)
	failure := fmt.Errorf("volume core_5.0.0: %w", updater.ErrVolumeTooSmall)
	c := &fakeController{
		check:  func(context.Context) (updater.Check, error) { return updater.Check{}, failure },
		update: func(context.Context, string) (string, error) { return "t9", failure },
		cancel: func(context.Context, string) error { return failure },
		list:   func(context.Context) ([]updater.Installed, error) { return nil, failure },
		err:    failure,
	}
	start(t, bus, c)
	client := newClient(t, bus)
	for _, call := range calls {
		name := call.method
		var remote *RemoteError
		err := call.call(t.Context(), client)
		if !errors.As(err, &remote) || remote.Name != "org.clipos.Updater1.Error.VolumeTooSmall" ||
			remote.Message != "volume core_5.0.0: volume too small" {
			t.Errorf("%s: %v", name, err)
		}
		if !errors.Is(err, updater.ErrVolumeTooSmall) {
			t.Errorf("%s: not the updater's error", name)
		}
	}
}
