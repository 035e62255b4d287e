// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// fakeServer is a notification server that shows nothing.
type fakeServer struct {
	conn *dbus.Conn
	// notified gets what it is asked to show, closed the ids it is to take away.
	notified chan shownNote
	closed   chan uint32

	mu   sync.Mutex
	caps []string
	next uint32
	// forgetful: it never replaces.
	forgetful bool
	shown     map[uint32]shownNote
}

type shownNote struct {
	app           string
	id, replaces  uint32
	icon, summary string
	body          string
	actions       []string
	hints         map[string]dbus.Variant
	expires       int32
}

// startServer puts the fake on the bus until it is stopped.
func startServer(t *testing.T, bus *dbustest.Bus, caps ...string) *fakeServer {
	t.Helper()
	conn := connect(t, bus)
	f := &fakeServer{
		conn: conn, notified: make(chan shownNote, 1000), closed: make(chan uint32, 1000),
		caps: caps, shown: map[uint32]shownNote{},
	}
	if err := conn.ExportMethodTable(map[string]any{
		"GetCapabilities":      f.capabilities,
		"GetServerInformation": func() (a, b, c, d string, e *dbus.Error) { return "fake", "", "1", "1.2", nil },
		"Notify":               f.notify,
		"CloseNotification":    f.closeNotification,
	}, notifyPath, notifyName); err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName(notifyName, 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	return f
}

// can changes what it says that it can do.
func (f *fakeServer) can(caps ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.caps = caps
}

func (f *fakeServer) capabilities() ([]string, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.caps, nil
}

func (f *fakeServer) notify(app string, replaces uint32, icon, summary, body string, actions []string, hints map[string]dbus.Variant, expires int32) (uint32, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := replaces
	if _, there := f.shown[replaces]; !there || f.forgetful {
		f.next++
		id = f.next
	}
	n := shownNote{app, id, replaces, icon, summary, body, actions, hints, expires}
	f.shown[id] = n
	f.notified <- n
	return id, nil
}

func (f *fakeServer) closeNotification(id uint32) *dbus.Error {
	f.mu.Lock()
	_, there := f.shown[id]
	delete(f.shown, id)
	f.mu.Unlock()
	f.closed <- id
	if there {
		_ = f.conn.Emit(notifyPath, notifyName+".NotificationClosed", id, uint32(3))
	}
	return nil
}

// visible are the notifications on the screen.
func (f *fakeServer) visible() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.shown)
}

// click tells that the user has clicked a button.
func (f *fakeServer) click(t *testing.T, n shownNote, key action) {
	t.Helper()
	if !slices.Contains(n.actions, string(key)) {
		t.Fatalf("no button %q on %+v", key, n)
	}
	if err := f.conn.Emit(notifyPath, notifyName+".ActionInvoked", n.id, string(key)); err != nil {
		t.Fatal(err)
	}
}

// dismiss tells that a notification is gone.
func (f *fakeServer) dismiss(t *testing.T, n shownNote, why closeReason) {
	t.Helper()
	f.mu.Lock()
	delete(f.shown, n.id)
	f.mu.Unlock()
	if err := f.conn.Emit(notifyPath, notifyName+".NotificationClosed", n.id, uint32(why)); err != nil {
		t.Fatal(err)
	}
}

// sees waits for a notification with this summary; what comes before it is not
// looked at.
func (f *fakeServer) sees(t *testing.T, summary string) shownNote {
	t.Helper()
	var seen []string
	timeout := time.After(time.Minute)
	for {
		select {
		case n := <-f.notified:
			if n.summary == summary {
				if got := f.visible(); got != 1 {
					t.Errorf("%d notifications are visible with %q", got, summary)
				}
				return n
			}
			seen = append(seen, n.summary)
		case <-timeout:
			t.Fatalf("waited in vain for %q, saw %q", summary, seen)
		}
	}
}

// gone waits until nothing is on the screen.
func (f *fakeServer) gone(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); f.visible() != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not go away")
		}
	}
}

// fakeDaemon does what it is told to.
type fakeDaemon struct {
	dbusapi.Controller
	mu       sync.Mutex
	overview updater.Overview
	err      error
	history  []updater.HistoryEntry
	asked    chan string
}

func (f *fakeDaemon) Overview() updater.Overview {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.overview
}

func (f *fakeDaemon) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeDaemon) result() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fakeDaemon) Update(_ context.Context, version string) (string, error) {
	f.asked <- "update " + version
	return "t1", f.result()
}

func (f *fakeDaemon) Check(context.Context) (updater.Check, error) {
	f.asked <- "check"
	return updater.Check{}, f.result()
}

func (f *fakeDaemon) Plan(_ context.Context, version string) (updater.Plan, error) {
	f.asked <- "plan " + version
	return updater.Plan{Version: version, DownloadBytes: 1e9, WriteBytes: 4e9}, f.result()
}

func (f *fakeDaemon) History(context.Context, int) ([]updater.HistoryEntry, error) {
	return f.history, nil
}

// sample is a session with a service, logind and a notification server, all of
// them fakes on real buses.
type sample struct {
	t               *testing.T
	system, session *dbustest.Bus
	daemon          *fakeDaemon
	service         *dbusapi.Service
	login           *dbustest.Login1
	server          *fakeServer
	state           string
}

// newSample begins with a service in the state of a world.
func newSample(t *testing.T, w world) *sample {
	t.Helper()
	s := &sample{
		t: t, system: dbustest.Start(t), session: dbustest.Start(t),
		daemon: &fakeDaemon{overview: w.service.overview.Overview, asked: make(chan string, 100)},
		state:  t.TempDir(),
	}
	s.login = dbustest.StartLogin1(t, s.system)
	s.serve()
	s.server = startServer(t, s.session, "actions", "body", "body-markup")
	return s
}

// serve puts the service on the bus until it is stopped.
func (s *sample) serve() (stop func()) {
	s.t.Helper()
	service := dbusapi.New(dbusapi.Options{Address: s.system.Address, DaemonVersion: "1", Log: slog.New(slog.DiscardHandler)}, s.daemon)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- service.Run(ctx, func() { close(ready) }) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	s.t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		s.t.Fatal(err)
	}
	s.service = service
	return stop
}

// publish has the service tell a new state.
func (s *sample) publish(w world) {
	o := w.service.overview.Overview
	s.daemon.mu.Lock()
	s.daemon.overview = o
	s.daemon.mu.Unlock()
	s.service.Publish(o)
}

// start runs the program until it is stopped, which returns its exit status.
func (s *sample) start() (stop func() int) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var stderr strings.Builder
	done := make(chan int, 1)
	env := environment{desktop: s.session.Address, stateHome: s.state, locales: []string{"en_GB.UTF-8"}}
	go func() { done <- run(ctx, []string{"--bus", s.system.Address}, env, &strings.Builder{}, &stderr) }()
	stop = sync.OnceValue(func() int {
		cancel()
		status := <-done
		if s.t.Failed() {
			s.t.Log(stderr.String())
		}
		return status
	})
	s.t.Cleanup(func() { stop() })
	return stop
}

// asks waits until the service is asked for something.
func (s *sample) asks(want string) {
	s.t.Helper()
	select {
	case got := <-s.daemon.asked:
		if got != want {
			s.t.Errorf("asked %q, want %q", got, want)
		}
	case <-time.After(time.Minute):
		s.t.Fatalf("waited in vain for %q", want)
	}
}

// remembered waits until the state file has all the texts.
func (s *sample) remembered(texts ...string) {
	s.t.Helper()
	path := filepath.Join(s.state, programName, "state.json")
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		m, err := store{path}.load()
		if err != nil {
			s.t.Fatal(err)
		}
		got := fmt.Sprintf("%+v", m)
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(got, text) }) {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("remembered %s, want %q", got, texts)
		}
	}
}

func connect(t *testing.T, bus *dbustest.Bus) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
