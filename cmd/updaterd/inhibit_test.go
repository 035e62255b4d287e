// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/test/keys"
	"github.com/clipos/updater/test/tlsserver"
	"github.com/clipos/updater/updater"
)

const oldEntry = "clipos-5.0.0-alpha.0.efi"

// login1 is a fake one that hands out one inhibitor.
type login1 struct {
	t      *testing.T
	folder string
	asked  chan question
	// held has the other end of the inhibitor's pipe.
	held, end *os.File
	fd        dbus.UnixFD
}

// question is what login1 was asked for, and what the folder of boot entries
// had then.
type question struct{ arguments, entries []string }

func startLogin1(t *testing.T, bus *dbustest.Bus, folder string) *login1 {
	t.Helper()
	l := &login1{t: t, folder: folder, asked: make(chan question, 1)}
	var err error
	if l.held, l.end, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	l.fd = dbus.UnixFD(l.end.Fd())
	t.Cleanup(func() { l.held.Close(); l.end.Close() })
	conn, err := dbus.Connect(bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	table := map[string]any{"Inhibit": l.inhibit}
	if err := conn.ExportMethodTable(table, "/org/freedesktop/login1", "org.freedesktop.login1.Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.login1", 0); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *login1) inhibit(what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
	l.asked <- question{[]string{what, who, why, mode}, namesIn(l.t, l.folder)}
	return l.fd, nil
}

func namesIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(folder)
	if err != nil {
		t.Error(err)
	}
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

// The machine is kept from being shut down from before the old entry goes until
// after the new one is there.
func TestInhibited(t *testing.T) {
	server, err := tlsserver.Start(t.Context(), tlsserver.Options{Handler: tlsserver.Files("../../test/webroot")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	bus := dbustest.Start(t)
	root := makeSystem(t, server.URL, server.AuthorityPEM, keys.Public())
	folder := filepath.Join(root, "mnt", "EFI")
	write(t, filepath.Join(folder, oldEntry), "what boots the fallback")
	write(t, filepath.Join(root, "volumes", "core_5.0.0-alpha.0"), string(make([]byte, 2<<20)))
	login := startLogin1(t, bus, folder)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	o := options{paths: updater.NewPaths(root, "", "", ""), bus: bus.Address}
	go func() { served <- serve(ctx, o, slog.New(slog.DiscardHandler)) }()

	client := dial(t, bus)
	events, err := client.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await(t, events, isReturned)
	if _, err := client.Update(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	completed, _ := await(t, events, isCompleted).(updater.CompletedEvent)
	if completed.Err != nil {
		t.Fatal(completed.Err)
	}
	asked := <-login.asked
	if want := []string{"shutdown:sleep", "updaterd", "Installing " + newer, "block"}; !slices.Equal(asked.arguments, want) {
		t.Errorf("asked for %q, want %q", asked.arguments, want)
	}
	if !slices.Contains(asked.entries, oldEntry) {
		t.Errorf("when it was asked for there were %q", asked.entries)
	}
	// Ours is one more end of the pipe than the inhibitor is.
	login.end.Close()
	if _, err := io.ReadAll(login.held); err != nil {
		t.Error(err)
	}
	if left := namesIn(t, folder); slices.Contains(left, oldEntry) || !slices.Contains(left, "clipos-"+newer+".efi") {
		t.Errorf("afterwards there are %q", left)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
