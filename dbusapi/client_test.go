// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

func TestClient(t *testing.T) {
	bus := dbustest.Start(t)
	c := &fakeController{}
	start(t, bus, c)
	client := newClient(t, bus)

	check, err := client.Check(t.Context())
	if want := (updater.Check{Available: true, Version: "5.0.0", Running: "4.9.0", DownloadBytes: 1 << 30}); err != nil || check != want {
		t.Errorf("%+v %v", check, err)
	}
	transaction, err := client.Update(t.Context(), "5.0.0")
	if err != nil || transaction != "t1" {
		t.Errorf("%q %v", transaction, err)
	}
	if err := client.Cancel(t.Context(), "t1"); err != nil {
		t.Errorf("%v", err)
	}
	got, err := client.ListVersions(t.Context())
	want, _ := c.ListVersions(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v %v", got, err)
	}
	if asked := c.calls(); !slices.Equal(asked, []string{"check", "update 5.0.0", "cancel t1", "list", "list"}) {
		t.Errorf("asked %q", asked)
	}
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

// A call ends with its context although the service does not answer.
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
