// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
)

// activated has the bus start the notification server when somebody calls it.
// The channel gets the server once that has happened.
func activated(t *testing.T, s *sample) <-chan *fakeServer {
	t.Helper()
	dir := t.TempDir()
	started := filepath.Join(dir, "started")
	service := "[D-BUS Service]\nName=" + notifyName + "\nExec=/usr/bin/touch " + started + "\n"
	if err := os.WriteFile(filepath.Join(dir, notifyName+".service"), []byte(service), 0o644); err != nil {
		t.Fatal(err)
	}
	s.session = dbustest.StartWith(t, dbustest.Open+"<servicedir>"+dir+"</servicedir>")
	found := make(chan *fakeServer, 1)
	go func() {
		for t.Context().Err() == nil {
			if _, err := os.Stat(started); err == nil {
				found <- startServer(t, s.session, "actions", "body")
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	return found
}

// TestActivated: a server that the bus starts for the first notification is not
// taken for another one.
func TestActivated(t *testing.T) {
	s := newSample(t, with(pending))
	found := activated(t, s)
	s.start()
	server := <-found
	n := server.sees(t, "Restart to update")
	if n.app != "System updates" || n.hints["desktop-entry"].Value() != "updater-notify" {
		t.Errorf("%+v", n)
	}
	// Were the server taken for another one, this would come beside the first.
	s.publish(with(pending, func(w *world) { w.service.overview.PendingVersion = "5.0.1" }))
	again := server.sees(t, "Restart to update")
	if again.replaces != n.id || again.id != n.id {
		t.Errorf("%+v does not replace %+v", again, n)
	}
	server.click(t, again, actionRestart)
	<-s.login.Reboots
}

// TestOldNews: what the bus said before it was asked who the server is, is no
// news; also when it started another server meanwhile.
func TestOldNews(t *testing.T) {
	a, fake := newDesk(t)
	ready := card{kind: kindReady, subject: newer, version: newer}
	changed := func(from, to string) {
		a.serverSaid(t.Context(), a.server, &dbus.Signal{
			Sender: busName, Name: busName + ".NameOwnerChanged", Body: []any{notifyName, from, to},
		})
	}
	a.server.owner = ":1.old"
	a.show(t.Context(), ready)
	n := <-fake.notified
	owner := a.server.owner
	changed(":1.old", "")
	changed("", owner)
	if a.screen.id != n.id || a.screen.dark || a.server.owner != owner {
		t.Fatalf("%+v, owner %s", a.screen, a.server.owner)
	}
	changed(owner, "")
	if a.screen.id != 0 || !a.screen.dark || a.server.owner != "" {
		t.Errorf("it has gone: %+v, owner %s", a.screen, a.server.owner)
	}
	changed("", owner)
	if a.screen.dark || a.server.owner != owner {
		t.Errorf("it came back: %+v, owner %s", a.screen, a.server.owner)
	}
}

// TestStartedAgain: the server went away with what it showed, and the bus starts
// another, which shows it again.
func TestStartedAgain(t *testing.T) {
	a, fake := newDesk(t)
	ready := card{kind: kindReady, subject: newer, version: newer}
	a.show(t.Context(), ready)
	n := <-fake.notified
	owner := a.server.owner
	a.serverSaid(t.Context(), a.server, &dbus.Signal{
		Sender: busName, Name: busName + ".NameOwnerChanged", Body: []any{notifyName, owner, ""},
	})
	if again := a.show(t.Context(), ready); again.IsZero() || a.server.owner != "" {
		t.Fatalf("it is not left alone: %+v", a.screen)
	}
	a.screen.told = time.Time{} // it was, for long enough
	a.show(t.Context(), ready)
	if a.screen.dark || a.screen.id == 0 || a.server.owner != owner {
		t.Fatalf("%+v, owner %s", a.screen, a.server.owner)
	}
	if again := <-fake.notified; again.replaces != 0 || again.summary != n.summary {
		t.Errorf("%+v", again)
	}
}

// TestNothingToClose: nobody starts a server to take away what went with the
// last one.
func TestNothingToClose(t *testing.T) {
	s := newSample(t, with(pending))
	found := activated(t, s)
	server, _, err := openServer(t.Context(), s.session.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.bus.Close() })
	server.close(t.Context(), 7)
	select {
	case <-found:
		t.Error("it was started")
	case <-time.After(100 * time.Millisecond):
	}
}
