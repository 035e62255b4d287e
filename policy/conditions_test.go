// SPDX-License-Identifier: LGPL-2.1-or-later

package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/clipos/updater/policy"
)

// strict rules ask for everything; the window is closed at noon.
func strict(t testing.TB) policy.Rules {
	t.Helper()
	return policy.Rules{
		Mode:           policy.ModeInstall,
		Interval:       24 * time.Hour,
		Windows:        []policy.Window{window(t, "Sun 01:00-02:00"), window(t, "Sat 22:00-24:00")},
		RequireACPower: true,
	}
}

// noon is a Tuesday's in Paris.
func noon(t testing.TB) time.Time {
	t.Helper()
	return at(t, "2026-11-24T12:00:00+01:00", zone(t, "Europe/Paris"))
}

func TestBlockers(t *testing.T) {
	always := policy.Rules{Mode: policy.ModeInstall, Interval: 24 * time.Hour}
	now := noon(t)
	type blockers = []policy.Blocker
	for name, c := range map[string]struct {
		rules      policy.Rules
		conditions policy.Conditions
		install    blockers
		// fetch is true when the same blockers apply to fetching.
		fetch bool
	}{
		"nothing": {always, policy.Conditions{}, nil, true},
		"mode fetch": {
			policy.Rules{Mode: policy.ModeFetch},
			policy.Conditions{},
			blockers{{policy.BlockerMode, `policy.toml says mode = "fetch", update by hand or set it to "install"`}},
			false,
		},
		"held for ever": {
			always,
			policy.Conditions{Held: true},
			blockers{{policy.BlockerHeld, "held by the administrator until released"}},
			true,
		},
		"held": {
			always,
			policy.Conditions{Held: true, HoldReason: "release demo", HeldUntil: time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC)},
			blockers{{policy.BlockerHeld, "held by the administrator until 2026-12-01 08:00: release demo"}},
			true,
		},
		"hold is over":          {always, policy.Conditions{Held: true, HeldUntil: now}, nil, true},
		"a reason without hold": {always, policy.Conditions{HoldReason: "release demo", HeldUntil: now.Add(time.Hour)}, nil, true},
		"a reason that writes to the terminal": {
			always,
			policy.Conditions{Held: true, HoldReason: "\x1b[2Jgone\nok"},
			blockers{{policy.BlockerHeld, `held by the administrator until released: "\x1b[2Jgone\nok"`}},
			true,
		},
		"a reason that turns the text": {
			always,
			policy.Conditions{Held: true, HoldReason: "a\u202eb"},
			blockers{{policy.BlockerHeld, `held by the administrator until released: "a\u202eb"`}},
			true,
		},
		"a reason that is not UTF-8": {
			always,
			policy.Conditions{Held: true, HoldReason: "caf\xe9"},
			blockers{{policy.BlockerHeld, `held by the administrator until released: "caf\xe9"`}},
			true,
		},
		"a reason in French": {
			always,
			policy.Conditions{Held: true, HoldReason: "démonstration"},
			blockers{{policy.BlockerHeld, "held by the administrator until released: démonstration"}},
			true,
		},
		"a reason of 120": {
			always,
			policy.Conditions{Held: true, HoldReason: strings.Repeat("é", 120)},
			blockers{{policy.BlockerHeld, "held by the administrator until released: " + strings.Repeat("é", 120)}},
			true,
		},
		"a long reason": {
			always,
			policy.Conditions{Held: true, HoldReason: strings.Repeat("é", 1<<16)},
			blockers{{policy.BlockerHeld, "held by the administrator until released: " + strings.Repeat("é", 120) + "…"}},
			true,
		},
		"outside the windows": {
			policy.Rules{Mode: policy.ModeInstall, Windows: strict(t).Windows},
			policy.Conditions{},
			blockers{{policy.BlockerWindow, "outside the maintenance windows, the next begins Sat 2026-11-28 22:00 CET"}},
			false,
		},
		"in a window": {policy.Rules{Mode: policy.ModeInstall, Windows: []policy.Window{window(t, "Mon 01:00-02:00"), window(t, "11:00-11:30 UTC")}}, policy.Conditions{}, nil, true},
		"on battery": {
			policy.Rules{Mode: policy.ModeInstall, RequireACPower: true},
			policy.Conditions{OnBattery: true},
			blockers{{policy.BlockerPower, "on battery power, plug in"}},
			false,
		},
		"power not known": {
			policy.Rules{Mode: policy.ModeInstall, RequireACPower: true},
			policy.Conditions{PowerError: errors.New("BAT0: input/output error")},
			blockers{{policy.BlockerPower, "cannot tell whether the machine is on battery power, which require_ac_power forbids: BAT0: input/output error"}},
			false,
		},
		"power does not matter": {always, policy.Conditions{OnBattery: true, PowerError: errors.New("BAT0: input/output error")}, nil, true},
		"metered": {
			always,
			policy.Conditions{Metered: true},
			blockers{{policy.BlockerMetered, "the network is metered, connect to another or set allow_metered"}},
			true,
		},
		"metered not known": {
			always,
			policy.Conditions{MeteredError: errors.New("timed out\x00")},
			blockers{{policy.BlockerMetered, `cannot tell whether the network is metered, which needs allow_metered: "timed out\x00"`}},
			true,
		},
		"metered does not matter": {
			policy.Rules{Mode: policy.ModeInstall, AllowMetered: true},
			policy.Conditions{Metered: true, MeteredError: errors.New("timed out")},
			nil, true,
		},
		"not confirmed": {
			always,
			policy.Conditions{Unconfirmed: true},
			blockers{{policy.BlockerNotConfirmed, "the running version is not confirmed good yet and the one to fall back to would be overwritten, wait or mark it good"}},
			false,
		},
		"failed before": {
			always,
			policy.Conditions{FailedVersion: "5.0.0-alpha.3"},
			blockers{{policy.BlockerFailedBefore, "version 5.0.0-alpha.3 did not come up when it was booted here, wait for a newer one or forget the failure"}},
			true,
		},
		"retry later": {
			always,
			policy.Conditions{RetryAt: now.Add(time.Minute), LastFailure: "core: timed out"},
			blockers{{policy.BlockerRetryLater, "the last attempt failed, the next is due Tue 2026-11-24 12:01 CET: core: timed out"}},
			true,
		},
		"retry later, no words": {
			always,
			policy.Conditions{RetryAt: now.Add(26 * time.Hour)},
			blockers{{policy.BlockerRetryLater, "the last attempt failed, the next is due Wed 2026-11-25 14:00 CET"}},
			true,
		},
		"retry now":                   {always, policy.Conditions{RetryAt: now, LastFailure: "core: timed out"}, nil, true},
		"retry when the clock was on": {always, policy.Conditions{RetryAt: now.AddDate(10, 0, 0), LastFailure: "core: timed out"}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.conditions.Now = now
			if got := c.rules.Blockers(c.conditions); !slices.Equal(got, c.install) {
				t.Errorf("install: %q, want %q", got, c.install)
			}
			want := c.install
			if !c.fetch {
				want = nil
			}
			if got := c.rules.FetchBlockers(c.conditions); !slices.Equal(got, want) {
				t.Errorf("fetch: %q, want %q", got, want)
			}
		})
	}
}

// Everything at once, in the order of the constants; what is said to be
// printable and short is.
func TestBlockersOrder(t *testing.T) {
	r := strict(t)
	r.Mode = policy.ModeCheck
	words := strings.Repeat("\x1b\u202e\xff", 1000)
	now := noon(t)
	c := policy.Conditions{
		Now: now, Held: true, HoldReason: words, OnBattery: true, PowerError: errors.New(words), Metered: true, MeteredError: errors.New(words),
		RetryAt: now.Add(time.Hour), LastFailure: words, FailedVersion: words, Unconfirmed: true,
	}
	checkCodes(t, "install", r.Blockers(c),
		policy.BlockerMode, policy.BlockerHeld, policy.BlockerWindow, policy.BlockerPower, policy.BlockerMetered,
		policy.BlockerNotConfirmed, policy.BlockerFailedBefore, policy.BlockerRetryLater)
	checkCodes(t, "fetch", r.FetchBlockers(c),
		policy.BlockerMode, policy.BlockerHeld, policy.BlockerMetered, policy.BlockerFailedBefore, policy.BlockerRetryLater)
	for _, b := range r.Blockers(c) {
		if len(b.Text) > 1000 || !utf8.ValidString(b.Text) || strings.ContainsAny(b.Text, "\x1b\u202e") {
			t.Errorf("%s: %.2000q", b.Code, b.Text)
		}
	}
}

func checkCodes(t *testing.T, what string, got []policy.Blocker, want ...policy.BlockerCode) {
	t.Helper()
	var codes []policy.BlockerCode
	for _, b := range got {
		codes = append(codes, b.Code)
	}
	if !slices.Equal(codes, want) {
		t.Errorf("%s: %q, want %q", what, codes, want)
	}
}

func TestFetchBlockersMode(t *testing.T) {
	for mode, text := range map[policy.Mode]string{
		policy.ModeCheck:   `policy.toml says mode = "check", update by hand or set it to "fetch" or "install"`,
		policy.ModeFetch:   "",
		policy.ModeInstall: "",
	} {
		got := policy.Rules{Mode: mode}.FetchBlockers(policy.Conditions{Now: noon(t)})
		var want []policy.Blocker
		if text != "" {
			want = []policy.Blocker{{Code: policy.BlockerMode, Text: text}}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", mode, got, want)
		}
	}
}

func TestRulesWindows(t *testing.T) {
	now := noon(t)
	if r := (policy.Rules{}); !r.InWindow(now) || !r.NextWindow(now).IsZero() {
		t.Error("without windows there is one")
	}
	r := strict(t)
	r.Windows = append(r.Windows, policy.Window{})
	saturday := at(t, "2026-11-28T22:00:00+01:00", now.Location())
	if r.InWindow(now) || !r.NextWindow(now).Equal(saturday) {
		t.Errorf("next window %s, want %s", r.NextWindow(now), saturday)
	}
	sunday := at(t, "2026-11-29T01:00:00+01:00", now.Location())
	if inside := saturday.Add(time.Hour); !r.InWindow(inside) || !r.NextWindow(inside).Equal(sunday) {
		t.Errorf("next window %s, want %s", r.NextWindow(inside), sunday)
	}
}
