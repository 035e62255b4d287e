// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

func TestClient(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	start(t, bus, c)
	client, ctx := newClient(t, bus), t.Context()
	tomorrow := time.Now().Add(24 * time.Hour)

	check, err := client.Check(ctx)
	if want := (updater.Check{Available: true, Version: "5.0.0", Running: "4.9.0", DownloadBytes: 1 << 30}); err != nil || check != want {
		t.Errorf("%+v %v", check, err)
	}
	if transaction, err := client.Update(ctx, "5.0.0"); err != nil || transaction != "t1" {
		t.Errorf("%q %v", transaction, err)
	}
	if plan, err := client.Plan(ctx, "5.0.0"); err != nil || !reflect.DeepEqual(plan, samplePlan) {
		t.Errorf("%+v %v", plan, err)
	}
	versions, err := client.ListVersions(ctx)
	want, _ := (&fakeController{}).ListVersions(ctx)
	if err != nil || !slices.Equal(versions, want) {
		t.Errorf("%+v %v", versions, err)
	}
	if chosen, err := client.Rollback(ctx, ""); err != nil || chosen != "4.8.0" {
		t.Errorf("%q %v", chosen, err)
	}
	history, err := client.History(ctx, 10)
	for i := range history {
		history[i].Started, history[i].Finished = inUTC(history[i].Started), inUTC(history[i].Finished)
	}
	if err != nil || !slices.Equal(history, sampleHistory) {
		t.Errorf("%+v %v", history, err)
	}
	err = errors.Join(
		client.Cancel(ctx, "t1"),
		client.MarkBoot(ctx, "good", "it runs"), client.MarkBoot(ctx, "bad", ""),
		client.Hold(ctx, "audit", tomorrow), client.Hold(ctx, "audit", time.Time{}), client.Unhold(ctx),
		client.ForgetFailure(ctx, "5.0.0"), client.Reload(ctx))
	if err != nil {
		t.Error(err)
	}
	wantAsked := []string{
		"check", "update 5.0.0", "plan 5.0.0", "list", "rollback ", "history 10", "cancel t1",
		"mark true it runs", "mark false ", fmt.Sprintf("hold audit %d", tomorrow.UnixMicro()), "hold audit 0", "unhold",
		"forget 5.0.0", "reload",
	}
	if asked := c.calls(); !slices.Equal(asked, wantAsked) {
		t.Errorf("asked %q, want %q", asked, wantAsked)
	}
}

// inUTC is t as the samples have it; never stays never.
func inUTC(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

func TestClientWithoutAService(t *testing.T) {
	bus := dbustest.Start(t)
	client := newClient(t, bus)
	if _, err := client.Overview(t.Context()); ErrorName(err) != "ServiceUnknown" {
		t.Errorf("%v", err)
	}
}

func TestClientWithoutABus(t *testing.T) {
	for name, address := range map[string]string{
		"no socket":  "unix:path=" + filepath.Join(t.TempDir(), "none"),
		"no address": "",
		"tcp":        "tcp:host=localhost,port=1",
		"empty path": "unix:path=",
	} {
		if _, err := Dial(t.Context(), address); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Pitfall 6: a call ends with its context although the service does not answer.
func TestCallEndsWithItsContext(t *testing.T) {
	bus := dbustest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := &fakeController{check: func(serving context.Context) (updater.Check, error) {
		cancel()
		<-serving.Done()
		return updater.Check{}, serving.Err()
	}}
	start(t, bus, c)
	if _, err := newClient(t, bus).Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestSocketPath(t *testing.T) {
	for address, want := range map[string]string{
		"system":                             "/run/dbus/system_bus_socket",
		"unix:path=/run/bus":                 "/run/bus",
		"unix:path=/a%20b,guid=1234":         "/a b",
		"unix:guid=1234,path=/run/bus":       "/run/bus",
		"unix:abstract=/tmp/x":               "@/tmp/x",
		"tcp:host=x,port=1;unix:path=/run/x": "/run/x",
	} {
		if got, err := socketPath(address); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", address, got, err, want)
		}
	}
	for _, address := range []string{"", "session", "unix:", "unix:path=", "unix:tmpdir=/tmp", "unix:path=%zz", "tcp:host=x"} {
		if got, err := socketPath(address); err == nil {
			t.Errorf("%q: %q", address, got)
		}
	}
	if got, err := socketPath(SystemAddress("/srv/a b")); err != nil || got != "/srv/a b/run/dbus/system_bus_socket" {
		t.Errorf("%q %v", got, err)
	}
}

// FuzzSocketPath: a path comes back from its address, escaped as the D-Bus
// Specification says, in any list; and an address leads to one socket or none.
func FuzzSocketPath(f *testing.F) {
	for _, path := range []string{"/run/dbus/system_bus_socket", "/srv/a b", "/tmp/dbus-Xy1Z2,guid=1;tcp:", "/é\x00%2f"} {
		f.Add(path, "tcp:host=x,port=1;unix:tmpdir=/tmp;")
	}
	f.Add("/x", "unix:abstract=/tmp/x,guid=1234;")
	f.Fuzz(func(t *testing.T, path, others string) {
		address := "unix:path=" + dbus.EscapeBusAddressValue(path)
		if got, err := socketPath(address); path != "" && (got != path || err != nil) {
			t.Errorf("%q: %q, %v", address, got, err)
		}
		before, errBefore := socketPath(others)
		if (before == "") != (errBefore != nil) {
			t.Errorf("%q: %q, %v", others, before, errBefore)
		}
		both, err := socketPath(others + ";" + address)
		if errBefore == nil && both != before || errBefore != nil && path != "" && (both != path || err != nil) {
			t.Errorf("%q before %q: %q, %v", others, address, both, err)
		}
	})
}
