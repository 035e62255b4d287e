// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

func TestUpdate(t *testing.T) {
	var asked []string
	bus, _ := serve(t, &fakeDaemon{update: func(version string) (string, error) {
		asked = append(asked, version)
		return "t1", nil
	}})
	want := outcome{exitOK, "the update has begun (t1); to see it: updaterctl monitor\n", ""}
	if got := ctl(t, bus, "update"); got != want {
		t.Errorf("%+v", got)
	}
	if got := ctl(t, bus, "update", "5.0.0", "--json"); got != (outcome{exitOK, `{"transaction":"t1"}` + "\n", ""}) {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(asked, []string{"", "5.0.0"}) {
		t.Errorf("asked for %q", asked)
	}
}

// followed is a daemon whose job is over before its Update is answered: all
// signals come before the reply.
func followed(t *testing.T, failure error, args ...string) outcome {
	t.Helper()
	var s *dbusapi.Service
	f := &fakeDaemon{}
	f.update = func(string) (string, error) {
		install(s, failure)
		return "t1", nil
	}
	bus, service := serve(t, f)
	s = service
	return ctl(t, bus, append([]string{"update", "--follow"}, args...)...)
}

func TestFollow(t *testing.T) {
	got := followed(t, nil)
	want := "checking\nfetching\nverifying\ninstalling\nswapping\ndone\n5.0.0 is installed and starts with the next reboot\n"
	if got != (outcome{exitOK, want, ""}) {
		t.Errorf("%+v", got)
	}
}

func TestFollowFailure(t *testing.T) {
	want := "error: cannot update to 5.0.0: volume core_5.0.0: volume too small (VolumeTooSmall)\n" +
		"hint: " + dbusapi.Hint("VolumeTooSmall")[0] + "\n"
	failure := fmt.Errorf("volume core_5.0.0: %w", updater.ErrVolumeTooSmall)
	for _, failure := range []error{failure, fmt.Errorf("cannot update to 5.0.0: %w", failure)} {
		got := followed(t, failure)
		if got.status != exitError || got.stderr != want || !strings.HasSuffix(got.stdout, "\ndone\n") {
			t.Errorf("%+v", got)
		}
	}
}

func TestFollowAsJSON(t *testing.T) {
	got := followed(t, updater.ErrCancelled, "--json")
	printed := lines(got.stdout)
	if got.status != exitError || !strings.Contains(got.stderr, "(Cancelled)") {
		t.Errorf("%d %q", got.status, got.stderr)
	}
	if first := `{"event":"accepted","transaction":"t1"}`; printed[0] != first {
		t.Errorf("first %s", printed[0])
	}
	last := `{"event":"completed","transaction":"t1","version":"5.0.0","error":{"name":"Cancelled","message":"cancelled"}}`
	if printed[len(printed)-1] != last {
		t.Errorf("last %s", printed[len(printed)-1])
	}
	progress := `{"event":"progress","transaction":"t1","stage":"fetching","progress":0.2,"bytes_done":800000000,"bytes_total":4000000000}`
	if !slices.Contains(printed, progress) {
		t.Errorf("no line %s in\n%s", progress, got.stdout)
	}
	if strings.Contains(got.stdout, `"t0"`) {
		t.Error("the end of another update is told")
	}
}

func TestFollowRefused(t *testing.T) {
	bus, _ := serve(t, &fakeDaemon{err: updater.ErrNoUpdate})
	if got := ctl(t, bus, "update", "--follow"); got != (outcome{exitError, "", "error: no update available (NoUpdate)\n"}) {
		t.Errorf("%+v", got)
	}
}

// An interrupt leaves the update alone and says how to end it.
func TestFollowInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	bus, _, f := serveFetching(t)
	var stdout, stderr syncBuffer
	go func() {
		for !strings.Contains(stdout.String(), "fetching") {
			time.Sleep(time.Millisecond)
		}
		interrupt()
	}()
	status := run(ctx, []string{"update", "--follow", "--bus", bus.Address}, nil, &stdout, &stderr)
	want := "the update goes on in the background; to end it: updaterctl cancel\n"
	if status != exitError || stderr.String() != want {
		t.Errorf("%d %q", status, stderr.String())
	}
	if len(f.asked) != 0 {
		t.Errorf("asked for %q", f.asked)
	}
}

// syncBuffer is a buffer that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// following is a follower of t1 that reads events.
func following(events chan dbusapi.Event, out *bytes.Buffer) func(context.Context) error {
	o := newOutput(out, false)
	f := &follower{session: &session{out: o}, transaction: "t1", view: newView(o), missing: time.NewTimer(missingLimit)}
	f.history = func(context.Context, uint32) ([]updater.HistoryEntry, error) { return nil, dbusapi.ErrNoBus }
	return func(ctx context.Context) error { return f.watch(ctx, events) }
}

func changed(transaction string) dbusapi.Changed {
	return dbusapi.Changed{Overview: dbusapi.Overview{Overview: updater.Overview{Transaction: transaction}}}
}

// The service may leave and come back; the update is completed when it does.
func TestFollowAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, out := make(chan dbusapi.Event), &bytes.Buffer{}
		go func() {
			for _, e := range []dbusapi.Event{
				changed(""), changed("t1"), dbusapi.Vanished{}, dbusapi.Returned{}, changed("t1"),
			} {
				events <- e
			}
			time.Sleep(10 * missingLimit) // a long download
			for _, e := range []dbusapi.Event{dbusapi.Vanished{}, dbusapi.Returned{}, changed("")} {
				events <- e
			}
			events <- updater.CompletedEvent{Transaction: "t1", Version: "5.0.0", Err: updater.ErrInterrupted}
		}()
		if err := following(events, out)(t.Context()); !errors.Is(err, updater.ErrInterrupted) {
			t.Errorf("%v", err)
		}
		away, back := "the service has left the bus, waiting for it\n", "the service is back\n"
		if out.String() != away+back+away+back {
			t.Errorf("%q", out.String())
		}
	})
}

// A service that does not know the update, or is gone, is not waited for for
// ever, whatever else it says meanwhile.
func TestFollowGivesUp(t *testing.T) {
	for name, first := range map[string][]dbusapi.Event{
		"gone":      {changed("t1"), dbusapi.Vanished{}},
		"forgotten": {changed("t1"), changed("")},
		"never had": {changed("")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				events, ended := make(chan dbusapi.Event), make(chan struct{})
				go func() {
					for _, e := range first {
						events <- e
					}
					for {
						select {
						case events <- changed("t2"):
							time.Sleep(time.Second)
						case <-ended:
							return
						}
					}
				}()
				err := following(events, &bytes.Buffer{})(t.Context())
				close(ended)
				if !errors.Is(err, errMissing) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

// Before it is given up, the history has the last word.
func TestFollowLooksOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, out := make(chan dbusapi.Event, 2), &bytes.Buffer{}
		events <- changed("t1")
		events <- changed("")
		o := newOutput(out, false)
		f := &follower{session: &session{out: o}, transaction: "t1", view: newView(o), missing: time.NewTimer(missingLimit)}
		f.history = func(context.Context, uint32) ([]updater.HistoryEntry, error) {
			return []updater.HistoryEntry{{Transaction: "t1", Version: "5.0.0", Result: updater.ResultInstalled}}, nil
		}
		if err := f.watch(t.Context(), events); err != nil || !strings.HasPrefix(out.String(), "5.0.0 is installed") {
			t.Errorf("%v %q", err, out.String())
		}
	})
}

func TestFollowLosesTheBus(t *testing.T) {
	events := make(chan dbusapi.Event)
	close(events)
	if err := following(events, &bytes.Buffer{})(t.Context()); !errors.Is(err, dbusapi.ErrNoBus) {
		t.Errorf("%v", err)
	}
}
