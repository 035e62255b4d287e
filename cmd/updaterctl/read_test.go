// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

func TestStatus(t *testing.T) {
	o := at(updater.StageFetching, 0.419)
	o.AvailableVersion, o.FallbackVersion = "5.0.0", "4.8.0"
	o.LastCheck, o.LastSuccess, o.Stale = noon, noon.Add(-400*time.Hour), true
	o.LastError = fmt.Errorf("volume core_5.0.0: %w", updater.ErrVolumeTooSmall)
	bus, _ := serve(t, &fakeDaemon{overview: o})
	local := func(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
	want := `System:                clipos 4.9.0
State:                 updating: fetching, 41 %, 1.7 GB of 4.0 GB, 12.3 MB/s, 29s left
Available:             5.0.0
Waiting for a reboot:  none
Fallback:              4.8.0
Last check:            ` + local(noon) + `
Last success:          ` + local(noon.Add(-400*time.Hour)) + ` (too long ago)
Next check:            never
Last error:            volume core_5.0.0: volume too small (VolumeTooSmall)
Service:               updaterd 1.2.3
`
	if got := ctl(t, bus, "status"); got != (outcome{exitOK, want, ""}) {
		t.Errorf("%d %q\n%s", got.status, got.stderr, got.stdout)
	}
}

// What keeps updates from being installed is told, and what failed.
func TestStatusOfABlockedMachine(t *testing.T) {
	o := updater.Overview{
		State: updater.StateIdle, Held: true, HoldReason: "a fair\x1b[2J",
		Blockers: []updater.Blocker{
			{Code: "held", Text: "held until tomorrow: a fair\x1b[2J"}, {Code: "metered", Text: "the network costs by volume"},
		},
		FailedVersions: []string{"5.0.0", "4.9.5"},
	}
	bus, _ := serve(t, &fakeDaemon{overview: o})
	want := `
Blocked:               held until tomorrow: a fair` + "\uFFFD" + `[2J (held)
Blocked:               the network costs by volume (metered)
Did not come up:       5.0.0, 4.9.5
Last check:            never
`
	if got := ctl(t, bus, "status"); got.status != exitOK || !strings.Contains(got.stdout, want) {
		t.Errorf("%+v", got)
	}
	want = `"held":true,"hold_reason":"a fair\u001b[2J","blockers":[{"code":"held","text":"held until tomorrow: a fair\u001b[2J"},` +
		`{"code":"metered","text":"the network costs by volume"}],"failed_versions":["5.0.0","4.9.5"]}` + "\n"
	if got := ctl(t, bus, "status", "--json"); !strings.HasSuffix(got.stdout, want) {
		t.Errorf("%+v", got)
	}
}

// The keys are promised; what a field is called in Go is not.
func TestStatusAsJSON(t *testing.T) {
	o := at(updater.StageFetching, 0.5)
	o.LastCheck, o.LastError = noon, updater.ErrBusy
	bus, _ := serve(t, &fakeDaemon{overview: o})
	got := ctl(t, bus, "status", "--json")
	want := `{"daemon_version":"1.2.3","os_name":"clipos","running_version":"4.9.0","state":"updating","stage":"fetching",` +
		`"transaction":"t1","progress":0.5,"bytes_done":2000000000,"bytes_total":4000000000,"bytes_per_second":12300000,` +
		`"remaining_seconds":29,"cancelable":true,"available_version":"","pending_version":"","fallback_version":"",` +
		`"reboot_required":false,"last_error":{"name":"Busy","message":"an update is already running"},` +
		`"last_check":"2026-05-01T12:00:00Z","last_success":null,"next_check":null,"stale":false,"held":false,"hold_reason":"",` +
		`"blockers":[],"failed_versions":[]}` + "\n"
	if got != (outcome{exitOK, want, ""}) {
		t.Errorf("%d %q\n%s", got.status, got.stderr, got.stdout)
	}
}

func TestCheck(t *testing.T) {
	newer := updater.Check{Available: true, Version: "5.0.0", Running: "4.9.0", DownloadBytes: 598_900_000}
	for name, c := range map[string]struct {
		offer       updater.Check
		human, json string
	}{
		"newer": {
			newer, "5.0.0 is available, 4.9.0 runs (598.9 MB to download)\n",
			`{"available":true,"version":"5.0.0","running":"4.9.0","download_bytes":598900000,"failed_before":false}` + "\n",
		},
		"same": {
			updater.Check{Version: "4.9.0", Running: "4.9.0"},
			"no update: 4.9.0 runs, the server offers 4.9.0\n",
			`{"available":false,"version":"4.9.0","running":"4.9.0","download_bytes":0,"failed_before":false}` + "\n",
		},
		"failed": {
			updater.Check{Version: "5.0.0", Running: "4.9.0", FailedBefore: true},
			"no update: 4.9.0 runs, the server offers 5.0.0, which did not come up here; to allow it: updaterctl forget 5.0.0\n",
			`{"available":false,"version":"5.0.0","running":"4.9.0","download_bytes":0,"failed_before":true}` + "\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bus, _ := serve(t, &fakeDaemon{offer: c.offer})
			if got := ctl(t, bus, "check"); got != (outcome{exitOK, c.human, ""}) {
				t.Errorf("%+v", got)
			}
			if got := ctl(t, bus, "--json", "check"); got != (outcome{exitOK, c.json, ""}) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	bus, _ := serve(t, &fakeDaemon{versions: []updater.Installed{
		{
			Version: "4.9.0", State: updater.InstalledRunning, Volume: "core_4.9.0", Entry: "clipos-4.9.0+3.efi",
			SizeBytes: 4 << 30, TriesLeft: 3,
		},
		{Version: "4.8.0", State: updater.InstalledIncomplete, Volume: "core_4.8.0", SizeBytes: 4 << 30, TriesLeft: -1, TriesDone: -1},
	}})
	want := `VERSION  STATE       SIZE    TRIES   VOLUME      ENTRY
4.9.0    running     4.3 GB  3 left  core_4.9.0  clipos-4.9.0+3.efi
4.8.0    incomplete  4.3 GB  -       core_4.8.0  none
`
	if got := ctl(t, bus, "versions"); got != (outcome{exitOK, want, ""}) {
		t.Errorf("%d %q\n%s", got.status, got.stderr, got.stdout)
	}
	want = `[{"version":"4.9.0","state":"running","volume":"core_4.9.0","entry":"clipos-4.9.0+3.efi","size_bytes":4294967296,` +
		`"tries_left":3,"tries_done":0},{"version":"4.8.0","state":"incomplete","volume":"core_4.8.0","entry":"",` +
		`"size_bytes":4294967296,"tries_left":-1,"tries_done":-1}]` + "\n"
	if got := ctl(t, bus, "versions", "--json"); got != (outcome{exitOK, want, ""}) {
		t.Errorf("%+v", got)
	}
}

func TestNoVersionsAreAnEmptyArray(t *testing.T) {
	bus, _ := serve(t, &fakeDaemon{})
	if got := ctl(t, bus, "versions", "--json"); got != (outcome{exitOK, "[]\n", ""}) {
		t.Errorf("%+v", got)
	}
}

func TestHistory(t *testing.T) {
	f := &fakeDaemon{history: []updater.HistoryEntry{
		{
			Transaction: "t2", Version: "5.0.0", From: "4.9.0", Started: noon, Finished: noon.Add(90 * time.Second),
			Result: updater.ResultFailed, ErrorName: "WriteFailed", Message: "write failed", Bytes: 598_900_000,
		},
		{
			Transaction: "t1", Version: "4.9.0", From: "4.8.0", Started: noon.Add(-time.Hour), Finished: noon,
			Result: updater.ResultInstalled,
		},
	}}
	bus, _ := serve(t, f)
	finished := func(t time.Time) string { return t.Local().Format(time.DateTime) }
	want := "FINISHED             VERSION  FROM   RESULT     TOOK    FETCHED   ERROR\n" +
		finished(noon.Add(90*time.Second)) + "  5.0.0    4.9.0  failed     1m30s   598.9 MB  write failed (WriteFailed)\n" +
		finished(noon) + "  4.9.0    4.8.0  installed  1h0m0s  0 B       -\n"
	if got := ctl(t, bus, "history"); got != (outcome{exitOK, want, ""}) {
		t.Errorf("%d %q\n%s", got.status, got.stderr, got.stdout)
	}
	want = `[{"transaction":"t2","version":"5.0.0","from":"4.9.0","started":"2026-05-01T12:00:00Z",` +
		`"finished":"2026-05-01T12:01:30Z","result":"failed","error":{"name":"WriteFailed","message":"write failed"},` +
		`"bytes":598900000},{"transaction":"t1","version":"4.9.0","from":"4.8.0","started":"2026-05-01T11:00:00Z",` +
		`"finished":"2026-05-01T12:00:00Z","result":"installed","error":null,"bytes":0}]` + "\n"
	if got := ctl(t, bus, "history", "--limit", "2", "--json"); got != (outcome{exitOK, want, ""}) {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(f.asked, []string{"history 0", "history 2"}) {
		t.Errorf("%q", f.asked)
	}
	f.history = nil
	if got := ctl(t, bus, "history"); got != (outcome{exitOK, "no update has ended yet\n", ""}) {
		t.Errorf("%+v", got)
	}
	if got := ctl(t, bus, "history", "--json"); got != (outcome{exitOK, "[]\n", ""}) {
		t.Errorf("%+v", got)
	}
}

// A failure whose error is not known is a failure nevertheless.
func TestEndedWith(t *testing.T) {
	for result, failed := range map[updater.Result]bool{
		updater.ResultInstalled: false, updater.ResultFetched: false, updater.ResultFailed: true,
		updater.ResultCancelled: true, updater.ResultInterrupted: true, "exploded": true,
	} {
		if err := endedWith(updater.HistoryEntry{Result: result}); (err != nil) != failed {
			t.Errorf("%s: %v", result, err)
		}
	}
}

func TestErrors(t *testing.T) {
	bus, _ := serve(t, &fakeDaemon{err: fmt.Errorf("another one: %w\x1b[2J", updater.ErrBusy)})
	want := "error: another one: an update is already running\uFFFD[2J (Busy)\n" +
		"hint: " + dbusapi.Hint("Busy")[0] + "\n"
	for _, v := range verbs() {
		switch v.name {
		case "status", "monitor": // they ask for the properties
			continue
		}
		for _, args := range [][]string{{v.name}, {v.name, "--json"}} {
			if v.argument != "" {
				args = append(args, "5.0.0")
			}
			if got := ctl(t, bus, args...); got != (outcome{exitError, "", want}) {
				t.Errorf("%s: %+v", args, got)
			}
		}
	}
	none := &dbustest.Bus{Address: "unix:path=" + filepath.Join(t.TempDir(), "bus")}
	got := ctl(t, none, "status")
	if got.status != exitError || !strings.Contains(got.stderr, "(NoServer)\nhint: ") {
		t.Errorf("without a bus: %+v", got)
	}
	got = ctl(t, dbustest.Start(t), "status")
	if got.status != exitError || !strings.Contains(got.stderr, "(ServiceUnknown)\nhint: start the service") {
		t.Errorf("without a service: %+v", got)
	}
}

// The usage text names each key of the JSON output.
func TestJSONIsDocumented(t *testing.T) {
	_, documented, _ := strings.Cut(usage, "\nJSON: ")
	for _, object := range []any{
		statusObject{LastError: &errorObject{}, Blockers: []blocker{{}}},
		blocker{},
		checkObject{},
		updateObject{},
		planObject{},
		cancelObject{},
		versionObject{},
		historyObject{},
		rollbackObject{},
		holdObject{},
		unholdObject{},
		markObject{},
		forgetObject{},
		reloadObject{},
		acceptedEvent{},
		statusEvent{},
		progressEvent{},
		completedEvent{},
		availableEvent{},
		rebootEvent{},
		rolledBackEvent{},
	} {
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var keys map[string]any
		if err := json.Unmarshal(text, &keys); err != nil {
			t.Fatal(err)
		}
		for key := range keys {
			if !slices.Contains(strings.FieldsFunc(documented, notInAWord), key) {
				t.Errorf("%s of %s is not in the usage text", key, reflect.TypeOf(object))
			}
		}
	}
	for _, e := range []dbusapi.Event{
		dbusapi.Changed{},
		dbusapi.Vanished{},
		dbusapi.Returned{},
		updater.ProgressEvent{},
		updater.CompletedEvent{},
		updater.UpdateAvailableEvent{},
		updater.RebootRequiredEvent{},
		updater.RolledBackEvent{},
	} {
		text, err := json.Marshal(eventObject(e))
		if err != nil {
			t.Fatal(err)
		}
		var k kind
		if err := json.Unmarshal(text, &k); err != nil || !slices.Contains(strings.FieldsFunc(documented, notInAWord), k.Event) {
			t.Errorf("%T is %q, which is not in the usage text (%v)", e, k.Event, err)
		}
	}
}

func notInAWord(r rune) bool {
	return (r < 'a' || r > 'z') && r != '_' && r != '-'
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		-1: "0 B", 0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB",
		598_900_000: "598.9 MB", 4 << 30: "4.3 GB", 5e12: "5.0 TB", 1 << 62: "4611686.0 TB",
	} {
		if got := console.Size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
