// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/clipos/updater/updater"
)

var everything = capabilities{actions: true, body: true, markup: true, gauge: true}

// cards are one of each kind, and of each way it can look.
func cards() map[string]card {
	three := time.Date(2026, 5, 2, 3, 0, 0, 0, time.Local)
	return map[string]card{
		"available": {kind: kindAvailable, version: newer, running: running, actions: []action{actionInstall, actionLater}},
		"offer":     {kind: kindAvailable, version: newer, running: running, downloadBytes: 412_300_000},
		"plan":      {kind: kindAvailable, version: newer, running: running, details: true, plan: &updater.Plan{DownloadBytes: 1e9, WriteBytes: 4e9}},
		"no plan":   {kind: kindAvailable, version: newer, running: running, details: true},
		"progress":  {kind: kindProgress, status: updater.Status{Stage: updater.StageInstalling, Progress: 0.999, Remaining: time.Minute}},
		"asking":    {kind: kindProgress, status: updater.Status{Stage: updater.StageChecking}},
		"new stage": {kind: kindProgress, status: updater.Status{Stage: "polishing", Progress: 7}},
		"ready":     {kind: kindReady, version: newer, actions: []action{actionRestart, actionTonight, actionLater}},
		"inhibited": {kind: kindReady, version: newer, problem: &problem{action: actionRestart, inhibitor: inhibitor{"Writer", "<b>\u202enot\nsaved"}}},
		"denied":    {kind: kindReady, version: newer, problem: &problem{action: actionRestart, name: "AccessDenied"}},
		"no logind": {kind: kindReady, version: newer, problem: &problem{action: actionRestart, name: "ServiceUnknown"}},
		"planned":   {kind: kindPlanned, version: newer, at: three, actions: []action{actionStay}},
		"imminent":  {kind: kindImminent, version: newer, at: three.Add(noticeTime), actions: []action{actionRestart, actionStay}},
		"failed":    {kind: kindFailed, version: newer, problem: &problem{name: "NoSpaceESP", message: "a & b"}, actions: []action{actionRetry, actionDetails}},
		"details":   {kind: kindFailed, version: newer, details: true, problem: &problem{name: "NoSpaceESP", message: "a & b"}},
		"no name":   {kind: kindFailed, version: newer, problem: &problem{name: strings.Repeat("<", 500)}},
		"back":      {kind: kindRolledBack, version: newer, running: running},
		"stale":     {kind: kindStale, days: 15, actions: []action{actionCheck, actionLater}},
		"never":     {kind: kindStale},
	}
}

func TestRender(t *testing.T) {
	w := speak(t, "en_GB")
	for name, want := range map[string]notification{
		"available": {
			summary: "System update available", icon: "software-update-available", urgency: urgencyNormal, percent: -1,
			body:    "Version 5.0.0-alpha.3 can be installed; 5.0.0-alpha.1 is running. You can go on working meanwhile.",
			actions: []string{"install", "Install now", "later", "Later"},
		},
		"offer": {
			summary: "System update available", icon: "software-update-available", urgency: urgencyNormal, percent: -1,
			body: "Version 5.0.0-alpha.3 can be installed; 5.0.0-alpha.1 is running. You can go on working meanwhile.\n412.3 MB to download.",
		},
		"plan": {
			summary: "System update available", icon: "software-update-available", urgency: urgencyNormal, percent: -1,
			body: "Version 5.0.0-alpha.3 can be installed; 5.0.0-alpha.1 is running. You can go on working meanwhile.\n" +
				"To download: 1.0 GB; to write: 4.0 GB.\nThe system that runs now stays as it is and can be started again.",
		},
		"progress": {
			summary: "Installing the update", icon: "system-software-update", urgency: urgencyLow, percent: 99, transient: true,
			body: "Installing: 99%\nabout a minute left",
		},
		"asking": {
			summary: "System update", icon: "system-software-update", urgency: urgencyLow, percent: 0, transient: true,
			body: "Asking the update server: 0%",
		},
		"new stage": {
			summary: "Installing the update", icon: "system-software-update", urgency: urgencyLow, percent: 100, transient: true,
			body: "Working: 100%",
		},
		"ready": {
			summary: "Restart to update", icon: "system-reboot", urgency: urgencyNormal, percent: -1,
			body:    "Version 5.0.0-alpha.3 is installed and starts when the computer is restarted.",
			actions: []string{"restart", "Restart now", "tonight", "Tonight", "later", "Later"},
		},
		"inhibited": {
			summary: "Restart to update", icon: "system-reboot", urgency: urgencyNormal, percent: -1,
			body: "Version 5.0.0-alpha.3 is installed and starts when the computer is restarted.\nNot restarted: Writer prevents it (&lt;b&gt;\uFFFDnot saved).",
		},
		"denied": {
			summary: "Restart to update", icon: "system-reboot", urgency: urgencyNormal, percent: -1,
			body: "Version 5.0.0-alpha.3 is installed and starts when the computer is restarted.\nNot restarted: this needs an administrator's permission.",
		},
		"planned": {
			summary: "Restart tonight", icon: "system-reboot", urgency: urgencyLow, percent: -1, expiresMillis: 15000,
			body:    "Version 5.0.0-alpha.3 starts at about 03:00. It is put off while somebody uses the computer, and you are told ten minutes before.",
			actions: []string{"stay", "Do not restart"},
		},
		"imminent": {
			summary: "Restart at 03:10", icon: "system-reboot", urgency: urgencyCritical, percent: -1,
			body:    "This computer restarts with version 5.0.0-alpha.3, as you agreed. Save your work, or keep it from restarting.",
			actions: []string{"restart", "Restart now", "stay", "Do not restart"},
		},
		"failed": {
			summary: "System update failed", icon: "dialog-error", urgency: urgencyNormal, percent: -1,
			body:    "There is not enough room for the update. Tell your administrator.\nYour system is as it was before.\n(NoSpaceESP)",
			actions: []string{"retry", "Try again", "details", "Details"},
		},
		"details": {
			summary: "System update failed", icon: "dialog-error", urgency: urgencyNormal, percent: -1,
			body: "There is not enough room for the update. Tell your administrator.\nYour system is as it was before.\na &amp; b\n(NoSpaceESP)",
		},
		"back": {
			summary: "Back to version 5.0.0-alpha.1", icon: "dialog-warning", urgency: urgencyNormal, percent: -1,
			body: "Your computer went back to 5.0.0-alpha.1 because 5.0.0-alpha.3 did not start properly. Your files are not affected.",
		},
		"stale": {
			summary: "Updates not verified", icon: "dialog-warning", urgency: urgencyNormal, percent: -1,
			body:    "For 15 days no answer of the update server could be verified. Check the network; if it works, tell your administrator.",
			actions: []string{"check", "Check now", "later", "Later"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want.app = "System updates"
			if got := w.render(cards()[name], everything); !reflect.DeepEqual(got, want) {
				t.Errorf("\n%+v, want\n%+v", got, want)
			}
		})
	}
}

// TestCapabilities: a server shows what it can, and the user knows what to do.
func TestCapabilities(t *testing.T) {
	for _, w := range []words{speak(t, "en"), speak(t, "fr")} {
		for name, c := range cards() {
			for i := range 16 {
				can := capabilities{actions: i&1 != 0, body: i&2 != 0, markup: i&4 != 0, gauge: i&8 != 0}
				n := w.render(c, can)
				switch {
				case n.summary == "" || n.icon == "":
					t.Errorf("%s, %+v: nothing: %+v", name, can, n)
				case !can.actions && n.actions != nil:
					t.Errorf("%s, %+v: buttons: %+v", name, can, n)
				case can.body != (n.body != ""):
					t.Errorf("%s, %+v: a body: %+v", name, can, n)
				case can.body && can.markup && strings.ContainsAny(n.body, "<>"):
					t.Errorf("%s, %+v: markup: %q", name, can, n.body)
				case can.body && !can.markup && strings.Contains(n.body, "&amp;"):
					t.Errorf("%s, %+v: escaped: %q", name, can, n.body)
				case !can.gauge && n.percent != -1:
					t.Errorf("%s, %+v: a gauge: %+v", name, can, n)
				case strings.Contains(n.summary+n.body, "%!"):
					t.Errorf("%s, %+v: arguments: %+v", name, can, n)
				case utf8.RuneCountInString(n.summary+n.body) > 800:
					t.Errorf("%s, %+v: too long: %+v", name, can, n)
				case !can.actions && can.body && len(c.actions) > 1 && c.kind != kindReady && !strings.ContainsAny(n.body, ":."):
					t.Errorf("%s, %+v: nothing to do: %+v", name, can, n)
				}
			}
		}
	}
}

// TestReasons: each reason leads to what the user can do, in words of its own.
func TestReasons(t *testing.T) {
	w := speak(t, "en")
	for name, p := range reasons {
		if got := w.render(card{kind: kindFailed, problem: &problem{name: name}}, everything); !strings.HasPrefix(got.body, escape(string(p))) {
			t.Errorf("%s: %q", name, got.body)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "5.0.0", "<b>&\x00\x1b[2J\u202e\xff", strings.Repeat("é", 500)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s, 20)
		if n := utf8.RuneCountInString(got); n > 21 || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\x00\x1b\u202e") {
			t.Errorf("%q", got)
		}
		if strings.ContainsAny(escape(got), "<>") {
			t.Errorf("escaped: %q", escape(got))
		}
	})
}
