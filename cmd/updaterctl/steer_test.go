// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/test/pty"
	"github.com/clipos/updater/updater"
)

// Each verb asks for what it is called, and says so.
func TestSteering(t *testing.T) {
	later := time.Date(2099, 12, 1, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		args        []string
		asked       string
		human, json string
	}{
		"cancel":     {[]string{"cancel"}, `cancel "t1"`, "the update is cancelled", `{"cancelled":true}`},
		"cancel one": {[]string{"cancel", "t7"}, `cancel "t7"`, "the update is cancelled", `{"cancelled":true}`},
		"rollback": {
			[]string{"rollback"},
			`rollback ""`, "4.8.0 starts with the next reboot", `{"version":"4.8.0"}`,
		},
		"rollback to": {
			[]string{"rollback", "4.7.0"},
			`rollback "4.7.0"`, "4.7.0 starts with the next reboot", `{"version":"4.7.0"}`,
		},
		"hold": {
			[]string{"hold", "a fair"},
			`hold "a fair"`, "no update is installed by itself; to end the hold: updaterctl unhold",
			`{"held":true,"hold_reason":"a fair","until":null}`,
		},
		"hold until": {
			[]string{"hold", "a fair", "--until", "2099-12-01T08:00:00Z"},
			`hold "a fair" until 2099-12-01 08:00:00`, "no update is installed by itself until " + later.Local().Format(time.DateTime),
			`{"held":true,"hold_reason":"a fair","until":"2099-12-01T08:00:00Z"}`,
		},
		"unhold":    {[]string{"unhold"}, "unhold", "updates are not held any more", `{"held":false}`},
		"mark-good": {[]string{"mark-good"}, `mark true ""`, "the running version is marked good", `{"result":"good"}`},
		"mark-bad":  {[]string{"mark-bad"}, `mark false ""`, "the running version is marked bad", `{"result":"bad"}`},
		"mark-bad for a reason": {
			[]string{"mark-bad", "no sound"},
			`mark false "no sound"`, "the running version is marked bad", `{"result":"bad"}`,
		},
		"forget": {[]string{"forget", "5.0.0"}, `forget "5.0.0"`, "5.0.0 may be installed again", `{"version":"5.0.0"}`},
		"reload": {[]string{"reload"}, "reload", "the service has read its configuration again", `{"reloaded":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeDaemon{overview: updater.Overview{Transaction: "t1"}}
			bus, _ := serve(t, f)
			if got := ctl(t, bus, c.args...); got != (outcome{exitOK, c.human + "\n", ""}) {
				t.Errorf("%+v", got)
			}
			if got := ctl(t, bus, append([]string{"--json"}, c.args...)...); got != (outcome{exitOK, c.json + "\n", ""}) {
				t.Errorf("%+v", got)
			}
			if !slices.Equal(f.asked, []string{c.asked, c.asked}) {
				t.Errorf("asked for %q", f.asked)
			}
		})
	}
}

// Who sits at a terminal can be asked for a password, and may not want to be.
func TestWhoCanBeAsked(t *testing.T) {
	t.Setenv("TERM", "dumb") // which has nothing to do with it
	terminal, _ := pty.Open(t)
	bus := dbustest.Start(t)
	service, err := dbus.Connect(bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	flags := make(chan dbus.Flags, 1)
	err = service.ExportMethodTable(map[string]any{"Reload": func(m dbus.Message) *dbus.Error {
		flags <- m.Flags
		return nil
	}}, dbusapi.Path, dbusapi.Interface)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.RequestName(dbusapi.BusName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	ask := func(stdin io.Reader, args ...string) bool {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), append(args, "reload", "--bus", bus.Address), stdin, &stdout, &stderr); status != exitOK {
			t.Fatalf("%d %q", status, stderr.String())
		}
		return <-flags&dbus.FlagAllowInteractiveAuthorization != 0
	}
	if !ask(terminal) {
		t.Error("not on a terminal")
	}
	if ask(terminal, "--no-ask-password") {
		t.Error("although it is not wanted")
	}
	if ask(&bytes.Buffer{}) || ask(nil) {
		t.Error("where nobody is")
	}
}
