// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"strings"
	"testing"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// The service is gone in the middle of an update and comes back without it: it
// completes the update, or has done so already, which only its history tells.
func TestFollowARestartedService(t *testing.T) {
	interrupted := "error: cannot update to 5.0.0: interrupted before it was finished (Interrupted)\n" +
		"hint: " + dbusapi.Hint("Interrupted")[0] + "\n"
	entry := updater.HistoryEntry{Transaction: "t1", Version: "5.0.0", From: "4.9.0"}
	cut, whole := entry, entry
	cut.Result, cut.ErrorName, cut.Message = updater.ResultInterrupted, "Interrupted", updater.ErrInterrupted.Error()
	whole.Result = updater.ResultInstalled
	for name, c := range map[string]struct {
		history   []updater.HistoryEntry
		completed bool
		status    int
		stderr    string
	}{
		"told":                    {nil, true, exitError, interrupted},
		"told and remembered":     {[]updater.HistoryEntry{cut}, true, exitError, interrupted},
		"remembered":              {[]updater.HistoryEntry{{Transaction: "t0"}, cut}, false, exitError, interrupted},
		"remembered as a success": {[]updater.HistoryEntry{whole}, false, exitOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bus := dbustest.Start(t)
			var s *dbusapi.Service
			f := &fakeDaemon{update: func(string) (string, error) {
				tell(s, updater.StageFetching, 0.5)
				return "t1", nil
			}}
			s, stop := serveOn(t, bus, f)
			var stdout, stderr syncBuffer
			done := make(chan int)
			go func() {
				done <- run(t.Context(), []string{"update", "--follow", "--bus", bus.Address}, nil, &stdout, &stderr)
			}()
			await(t, &stdout, "fetching\n")
			stop()
			await(t, &stdout, "waiting for it\n")
			back, _ := serveOn(t, bus, &fakeDaemon{history: c.history})
			if c.completed {
				back.Emit(updater.CompletedEvent{Transaction: "t1", Version: "5.0.0", Err: updater.ErrInterrupted})
			}
			if got := <-done; got != c.status || stderr.String() != c.stderr {
				t.Errorf("%d %q", got, stderr.String())
			}
			if n := strings.Count(stdout.String(), "5.0.0 is installed"); (n == 1) != (c.status == exitOK) {
				t.Errorf("%q", stdout.String())
			}
		})
	}
}

// The outcome that was found is told as if it had been signalled.
func TestFollowARestartedServiceAsJSON(t *testing.T) {
	bus := dbustest.Start(t)
	var s *dbusapi.Service
	s, stop := serveOn(t, bus, &fakeDaemon{update: func(string) (string, error) {
		tell(s, updater.StageFetching, 0.5)
		return "t1", nil
	}})
	var stdout, stderr syncBuffer
	done := make(chan int)
	go func() {
		done <- run(t.Context(), []string{"update", "--follow", "--json", "--bus", bus.Address}, nil, &stdout, &stderr)
	}()
	await(t, &stdout, `"fetching"`)
	stop()
	await(t, &stdout, "vanished")
	serveOn(t, bus, &fakeDaemon{history: []updater.HistoryEntry{{Transaction: "t1", Version: "5.0.0", Result: updater.ResultInstalled}}})
	if got := <-done; got != exitOK {
		t.Errorf("%d %q", got, stderr.String())
	}
	printed := lines(stdout.String())
	if last := printed[len(printed)-1]; last != `{"event":"completed","transaction":"t1","version":"5.0.0","error":null}` {
		t.Errorf("last %s", last)
	}
}
