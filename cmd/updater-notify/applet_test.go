// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// TestInstall: from the offer to the restart, one notification at a time.
func TestInstall(t *testing.T) {
	s := newSample(t, with(offered, blockedBy("mode")))
	s.start()
	n := s.server.sees(t, "System update available")
	s.server.click(t, n, actionDetails)
	s.asks("plan " + newer)
	for !strings.Contains(n.body, "To download: 1.0 GB") {
		n = s.server.sees(t, "System update available")
	}
	s.server.click(t, n, actionInstall)
	s.asks("update " + newer)
	s.server.sees(t, "System update") // it is asked for

	s.publish(with(updating))
	n = s.server.sees(t, "Installing the update")
	if n.hints["value"].Value() != int32(41) || n.hints["urgency"].Value() != byte(0) || n.hints["transient"].Value() != true {
		t.Errorf("%+v", n)
	}
	s.publish(with(pending))
	s.service.Emit(updater.CompletedEvent{Transaction: "t1", Version: newer})
	ready := s.server.sees(t, "Restart to update")
	if ready.id != n.id || ready.replaces != n.id {
		t.Errorf("%+v does not replace %+v", ready, n)
	}
	s.server.click(t, ready, actionRestart)
	if interactive := <-s.login.Reboots; !interactive {
		t.Error("the user may not be asked")
	}
	s.server.gone(t)
}

// TestProgressIsSlow: whatever the service says, the server is told twice a
// second.
func TestProgressIsSlow(t *testing.T) {
	s := newSample(t, with(updating))
	s.start()
	s.server.sees(t, "Installing the update")
	begin := time.Now()
	for i := range 100 {
		w := with(updating)
		w.service.overview.Status.Progress = 0.42 + float64(i)/200
		s.publish(w)
		time.Sleep(10 * time.Millisecond)
	}
	s.publish(with(pending))
	for told := 0; ; told++ {
		if n := <-s.server.notified; n.summary == "Restart to update" {
			if most := 2 + int(time.Since(begin)/progressInterval); told > most {
				t.Errorf("told %d times, want %d at most", told, most)
			}
			return
		}
	}
}

// TestDismissed: what the user closed does not come back, also not after a
// restart; until there is something new.
func TestDismissed(t *testing.T) {
	s := newSample(t, with(pending))
	stop := s.start()
	s.server.dismiss(t, s.server.sees(t, "Restart to update"), closedDismissed)
	s.remembered("ready:{Subject:" + newer + " Until:0001")
	stop()
	s.start()
	s.publish(with(pending, stale))
	// Were it to be shown, it would come before this.
	if n := <-s.server.notified; n.summary != "Updates not verified" {
		t.Errorf("%+v", n)
	}
	s.publish(with(pending, func(w *world) { w.service.overview.PendingVersion = "5.0.1" }))
	s.server.sees(t, "Restart to update")
}

// TestAnswers: every button and every end, and what is remembered of it.
func TestAnswers(t *testing.T) {
	tomorrow := time.Now().Add(postponed).UTC().Format("2006-01-02")
	for name, test := range map[string]struct {
		world   world
		summary string
		answer  func(*testing.T, *fakeServer, shownNote)
		want    string
	}{
		"later":           {with(pending), "Restart to update", clicks(actionLater), "ready:{Subject:" + newer + " Until:" + tomorrow},
		"expired":         {with(pending), "Restart to update", closes(closedExpired), "ready:{Subject:" + newer + " Until:" + tomorrow},
		"undefined":       {with(stale), "Updates not verified", closes(4), " Until:" + tomorrow},
		"no progress":     {with(updating), "Installing the update", closes(closedDismissed), "progress:{Subject:t1 Until:0001"},
		"no more of it":   {with(updating), "Installing the update", closes(closedExpired), "progress:{Subject:t1 Until:0001"},
		"rolled back":     {with(rolledBack), "Back to version " + running, closes(closedDismissed), "rolled-back:{Subject:" + newer + " Until:0001"},
		"offer dismissed": {with(offered, blockedBy("mode")), "System update available", closes(closedDismissed), "available:{Subject:" + newer + " Until:0001"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSample(t, test.world)
			s.start()
			test.answer(t, s.server, s.server.sees(t, test.summary))
			s.remembered(test.want)
			s.server.gone(t)
		})
	}
}

func clicks(a action) func(*testing.T, *fakeServer, shownNote) {
	return func(t *testing.T, f *fakeServer, n shownNote) { f.click(t, n, a) }
}

func closes(why closeReason) func(*testing.T, *fakeServer, shownNote) {
	return func(t *testing.T, f *fakeServer, n shownNote) { f.dismiss(t, n, why) }
}

// TestRefused: what the user asked for was refused, and is tried again.
func TestRefused(t *testing.T) {
	s := newSample(t, with(offered, blockedBy("mode")))
	s.daemon.fail(updater.ErrNoSpaceESP)
	s.start()
	s.server.click(t, s.server.sees(t, "System update available"), actionInstall)
	s.asks("update " + newer)
	n := s.server.sees(t, "System update failed")
	if !strings.Contains(n.body, "(NoSpaceESP)") {
		t.Errorf("%+v", n)
	}
	s.server.click(t, n, actionDetails)
	n = s.server.sees(t, "System update failed")
	if !strings.Contains(n.body, updater.ErrNoSpaceESP.Error()) {
		t.Errorf("%+v", n)
	}
	s.server.click(t, n, actionRetry)
	s.asks("update " + newer)
	s.server.dismiss(t, s.server.sees(t, "System update failed"), closedDismissed)
	// Dismissed, and the offer was answered long ago.
	s.server.gone(t)
	s.publish(with(stale))
	s.server.sees(t, "Updates not verified")
}

// TestFailedUpdate: an update that ended in the background.
func TestFailedUpdate(t *testing.T) {
	s := newSample(t, with(updating))
	s.start()
	s.server.sees(t, "Installing the update")
	s.publish(with(failedWith("WriteFailed")))
	s.service.Emit(updater.CompletedEvent{Transaction: "t1", Version: newer, Err: updater.ErrWriteFailed})
	s.server.click(t, s.server.sees(t, "System update failed"), actionRetry)
	s.asks("update " + newer)
}

// TestFailedBeforeItStarted: the history says what ended unseen.
func TestFailedBeforeItStarted(t *testing.T) {
	w := with(failedWith("WriteFailed"))
	s := newSample(t, w)
	s.daemon.history = []updater.HistoryEntry{w.service.last}
	s.start()
	s.server.sees(t, "System update failed")
}

func TestCheck(t *testing.T) {
	s := newSample(t, with(stale))
	s.daemon.fail(updater.ErrNetworkUnavailable)
	s.start()
	s.server.click(t, s.server.sees(t, "Updates not verified"), actionCheck)
	s.asks("check")
	s.server.click(t, s.server.sees(t, "System update failed"), actionRetry)
	s.asks("check")
}

// TestNothingToInstall: the offer is gone when the user wants it, and that is no
// failure.
func TestNothingToInstall(t *testing.T) {
	s := newSample(t, with(offered, blockedBy("mode")))
	s.daemon.fail(updater.ErrNoUpdate)
	s.start()
	s.server.click(t, s.server.sees(t, "System update available"), actionInstall)
	s.asks("update " + newer)
	s.publish(with(stale))
	for n := range s.server.notified {
		if n.summary == "System update failed" {
			t.Fatalf("%+v", n)
		}
		if n.summary == "Updates not verified" {
			return
		}
	}
}

// TestRestartRefused: who is against it, and that polkit is.
func TestRestartRefused(t *testing.T) {
	s := newSample(t, with(pending))
	s.login.Inhibit(
		dbustest.Inhibitor{What: "sleep:shutdown", Who: "NetworkManager", Why: "x", Mode: "delay"},
		dbustest.Inhibitor{What: "idle", Who: "player", Why: "x", Mode: "block"},
		dbustest.Inhibitor{What: "sleep:shutdown", Who: "Writer", Why: "<i>not saved", Mode: "block"},
	)
	s.start()
	s.server.click(t, s.server.sees(t, "Restart to update"), actionRestart)
	n := s.server.sees(t, "Restart to update")
	if !strings.Contains(n.body, "Writer prevents it (&lt;i&gt;not saved)") {
		t.Errorf("%+v", n)
	}
	s.login.Inhibit()
	s.login.Refuse("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
	s.server.click(t, n, actionRestart)
	n = s.server.sees(t, "Restart to update")
	if !strings.Contains(n.body, "needs an administrator's permission") {
		t.Errorf("%+v", n)
	}
	s.login.Refuse("")
	s.server.click(t, n, actionRestart)
	<-s.login.Reboots
}

// soon is an appointment whose time has come.
func soon(s *sample) {
	s.t.Helper()
	m := memory{Restart: &appointment{Version: newer, At: time.Now(), End: time.Now().Add(time.Hour)}}
	if err := (store{s.state + "/" + programName + "/state.json"}).save(m); err != nil {
		s.t.Fatal(err)
	}
}

func TestTonightIsRemembered(t *testing.T) {
	s := newSample(t, with(pending))
	s.start()
	s.server.click(t, s.server.sees(t, "Restart to update"), actionTonight)
	n := s.server.sees(t, "Restart tonight")
	if n.expires != plannedMillis {
		t.Errorf("%+v", n)
	}
	s.remembered("Restart:0x")
	s.server.click(t, n, actionStay)
	s.remembered("Restart:<nil>", "ready:{Subject:"+newer)
	s.server.gone(t)
}

// TestTonightAfterLogin: who logs out and in again in the evening has not put
// anything off, and the next program knows of it.
func TestTonightAfterLogin(t *testing.T) {
	s := newSample(t, with(pending))
	stop := s.start()
	s.server.click(t, s.server.sees(t, "Restart to update"), actionTonight)
	s.server.sees(t, "Restart tonight")
	s.remembered("Restart:0x")
	stop()
	s.login.Remove(t, dbustest.FirstSession)
	s.login.Add(t, "c2", uint32(os.Getuid()), nil)
	stop = s.start()
	if n := <-s.server.notified; n.summary != "Restart tonight" {
		t.Errorf("%+v", n)
	}
	stop()
	s.remembered("Restart:0x")
	soon(s) // and by now it is night
	s.start()
	if n := <-s.server.notified; !strings.HasPrefix(n.summary, "Restart at ") {
		t.Errorf("%+v", n)
	}
}

// TestNotice: the notice before a restart cannot be overlooked, and whoever
// closes it is there.
func TestNotice(t *testing.T) {
	s := newSample(t, with(pending))
	soon(s)
	s.start()
	n := <-s.server.notified
	if !strings.HasPrefix(n.summary, "Restart at ") || n.hints["urgency"].Value() != byte(2) || n.expires != 0 {
		t.Errorf("%+v", n)
	}
	s.server.dismiss(t, n, closedDismissed)
	s.remembered("Restart:<nil>")
	s.server.gone(t)
	if len(s.login.Reboots) != 0 {
		t.Error("it restarted")
	}
}

// TestNoticeTakenAway: one that goes away by itself comes again, once and not at
// once; after that, the restart is put off.
func TestNoticeTakenAway(t *testing.T) {
	a, server := newDesk(t)
	a.world = with(pending)
	begin := wallTime()
	a.world.memory.Restart = &appointment{Version: newer, At: begin, End: begin.Add(time.Hour)}
	for range unreadLimit {
		a.refresh(t.Context())
		if n := <-server.notified; !strings.HasPrefix(n.summary, "Restart at ") {
			t.Fatalf("%+v", n)
		}
		a.screen.told = time.Now().Add(time.Hour) // however slow the test is
		a.closed(t.Context(), a.screen.id, closedExpired)
		a.refresh(t.Context())
		if a.screen.card.kind == kindImminent {
			t.Fatal("it came back at once")
		}
		a.screen.told = time.Time{}
	}
	if r := a.world.memory.Restart; r == nil || r.At.Before(begin.Add(putOff)) {
		t.Fatalf("%+v", r)
	}
	if n := <-server.notified; n.summary != "Restart tonight" {
		t.Errorf("%+v", n)
	}
}

// TestSomebodyComes: the notice goes, and so does the restart.
func TestSomebodyComes(t *testing.T) {
	s := newSample(t, with(pending))
	soon(s)
	s.start()
	<-s.server.notified
	s.login.Change(t, map[string]any{"IdleSinceHint": uint64(1)})
	s.server.sees(t, "Restart tonight") // put off
}

// TestSession: only the session with the screen speaks.
func TestSession(t *testing.T) {
	s := newSample(t, with(pending))
	s.login.Change(t, map[string]any{"Active": false})
	s.start()
	s.publish(with(stale)) // heard, and not shown
	s.login.Change(t, map[string]any{"Active": true})
	s.server.sees(t, "Updates not verified")
	s.login.Change(t, map[string]any{"Active": false})
	s.server.gone(t)
	s.login.Wake(t)
	s.login.Change(t, map[string]any{"Active": true})
	s.server.sees(t, "Updates not verified")
}

// TestLogindComesLate: until then, there is but one session.
func TestLogindComesLate(t *testing.T) {
	s := newSample(t, with(pending))
	s.system.Stop()
	s.start()
	s.system.Restart(t)
	s.server.sees(t, "Restart to update")
	login := dbustest.StartLogin1(t, s.system)
	login.Change(t, map[string]any{"Active": false})
	s.server.gone(t)
}

// TestNoButtons: a server that can do nothing.
func TestNoButtons(t *testing.T) {
	s := newSample(t, with(offered, blockedBy("mode")))
	s.server.can()
	s.start()
	n := s.server.sees(t, "System update available. Version "+newer+" can be installed; "+running+
		" is running. You can go on working meanwhile. To install it, run: updaterctl update")
	if len(n.actions) != 0 || n.body != "" {
		t.Errorf("%+v", n)
	}
}

// TestCannotReplace: there is one notification all the same.
func TestCannotReplace(t *testing.T) {
	s := newSample(t, with(updating))
	s.server.forgetful = true
	s.start()
	n := s.server.sees(t, "Installing the update")
	s.publish(with(pending))
	for {
		if ready := <-s.server.notified; ready.summary == "Restart to update" {
			break
		}
	}
	if id := <-s.server.closed; id != n.id {
		t.Errorf("closed %d, want %d", id, n.id)
	}
}

// TestServerComesLate: and goes, and another comes.
func TestServerComesLate(t *testing.T) {
	s := newSample(t, with(pending))
	s.server.conn.Close()
	s.start()
	s.publish(with(pending, stale))
	for range 2 {
		s.server = startServer(t, s.session, "actions", "body")
		s.server.sees(t, "Restart to update")
		s.server.conn.Close()
	}
}

// TestServiceComesLate: and restarts, without anything on the screen moving.
func TestServiceComesLate(t *testing.T) {
	s := newSample(t, with(pending))
	s.system.Stop()
	s.start()
	s.system.Restart(t)
	s.login = dbustest.StartLogin1(t, s.system)
	s.server.sees(t, "Restart to update") // the service redials by itself
}

// TestSessionBusComesBack: what was on the screen is shown again.
func TestSessionBusComesBack(t *testing.T) {
	s := newSample(t, with(pending))
	s.start()
	s.server.sees(t, "Restart to update")
	s.session.Restart(t)
	s.server = startServer(t, s.session, "actions", "body")
	s.server.sees(t, "Restart to update")
}

// TestEnd: nothing is left on the screen that nobody can click.
func TestEnd(t *testing.T) {
	s := newSample(t, with(pending))
	stop := s.start()
	s.server.sees(t, "Restart to update")
	if status := stop(); status != exitOK {
		t.Errorf("status %d", status)
	}
	if s.server.visible() != 0 {
		t.Error("it is still there")
	}
}

// TestOneIsEnough: a second one in the session ends, and that is no failure.
func TestOneIsEnough(t *testing.T) {
	s := newSample(t, with(pending))
	s.start()
	s.server.sees(t, "Restart to update")
	var stderr strings.Builder
	env := environment{desktop: s.session.Address, stateHome: t.TempDir()}
	if status := run(t.Context(), []string{"--bus", s.system.Address}, env, nil, &stderr); status != exitOK || stderr.String() != errSecond.Error()+"\n" {
		t.Errorf("%d, %q", status, stderr.String())
	}
}

// TestLies: what others say is not the server's word.
func TestLies(t *testing.T) {
	s := newSample(t, with(pending))
	s.start()
	n := s.server.sees(t, "Restart to update")
	other := &fakeServer{conn: connect(t, s.session), shown: map[uint32]shownNote{}}
	other.click(t, n, actionRestart)
	other.dismiss(t, n, closedDismissed)
	s.publish(with(pending, func(w *world) { w.service.overview.PendingVersion = "5.0.1" }))
	if again := s.server.sees(t, "Restart to update"); again.replaces != n.id {
		t.Errorf("believed: %+v", again)
	}
	if len(s.login.Reboots) != 0 {
		t.Error("it restarted")
	}
}
