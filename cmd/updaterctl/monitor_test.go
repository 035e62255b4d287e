// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// monitored runs monitor, does something to the service, and returns what was
// printed once the last of it was seen.
func monitored(t *testing.T, do func(*dbusapi.Service), last string, args ...string) outcome {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	bus, s := serve(t, &fakeDaemon{overview: updater.Overview{OSName: "clipos", RunningVersion: "4.9.0", State: updater.StateIdle}})
	var stdout, stderr syncBuffer
	status := make(chan int)
	go func() {
		status <- run(ctx, append([]string{"monitor", "--bus", bus.Address}, args...), nil, &stdout, &stderr)
	}()
	await(t, &stdout, "idle")
	do(s)
	await(t, &stdout, last)
	interrupt()
	return outcome{<-status, stdout.String(), stderr.String()}
}

// await waits until text is there; the test's time limit ends it.
func await(t *testing.T, b *syncBuffer, text string) {
	t.Helper()
	for !strings.Contains(b.String(), text) {
		time.Sleep(time.Millisecond)
	}
}

func TestMonitor(t *testing.T) {
	got := monitored(t, func(s *dbusapi.Service) {
		s.Emit(updater.UpdateAvailableEvent{Check: updater.Check{Available: true, Version: "5.0.0", Running: "4.9.0", DownloadBytes: 1000}})
		install(s, nil)
		s.Emit(updater.RebootRequiredEvent{Version: "5.0.0"})
		s.Emit(updater.CompletedEvent{Transaction: "t2", Version: "5.0.1"})
		s.Emit(updater.RolledBackEvent{From: "5.0.0", To: "4.9.0"})
	}, "did not come up")
	text := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `).ReplaceAllString(got.stdout, "* ")
	want := `* clipos 4.9.0: idle
* 5.0.0 is available, 4.9.0 runs (1.0 kB to download)
* clipos 4.9.0: updating
checking
fetching
verifying
installing
swapping
done
* clipos 4.9.0: reboot-required
* cannot update to 4.0.0: interrupted before it was finished (Interrupted)
* 5.0.0 is installed
* 5.0.0 starts with the next reboot
* 5.0.1 is fetched and verified
* 5.0.0 did not come up, 4.9.0 runs
`
	if got.status != exitOK || got.stderr != "" || text != want {
		t.Errorf("%d %q\n%s", got.status, got.stderr, text)
	}
}

func TestMonitorAsJSON(t *testing.T) {
	got := monitored(t, func(s *dbusapi.Service) {
		s.Emit(updater.CompletedEvent{Transaction: "t1", Version: "5.0.0"})
		s.Emit(updater.RebootRequiredEvent{Version: "5.0.0"})
		s.Emit(updater.RolledBackEvent{From: "5.0.0", To: "4.9.0"})
	}, "rolled-back", "--json")
	printed := lines(got.stdout)
	if got.status != exitOK || len(printed) != 4 || !strings.HasPrefix(printed[0], `{"event":"status","status":{"daemon_version":"1.2.3",`) ||
		printed[1] != `{"event":"completed","transaction":"t1","version":"5.0.0","error":null}` ||
		printed[2] != `{"event":"reboot-required","version":"5.0.0"}` ||
		printed[3] != `{"event":"rolled-back","from":"5.0.0","to":"4.9.0"}` {
		t.Errorf("%+v", got)
	}
}

func TestMonitorWithoutAService(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	bus, _ := serve(t, &fakeDaemon{})
	bus.Restart(t) // the service comes back in its own time
	var stdout, stderr syncBuffer
	status := make(chan int)
	go func() { status <- run(ctx, []string{"monitor", "--bus", bus.Address}, nil, &stdout, &stderr) }()
	await(t, &stdout, "the service is on the bus\n")
	bus.Stop()
	if got := <-status; got != exitError || !strings.Contains(stderr.String(), "(NoServer)") {
		t.Errorf("%d %q", got, stderr.String())
	}
}
