// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/policy"
)

const policyFile = remotes + "/policy.toml"

var defaultRules = policy.Rules{Mode: policy.ModeInstall, Interval: 24 * time.Hour, FirstCheck: 5 * time.Minute, StaleAfter: 336 * time.Hour}

// sameRules compares windows by what they say.
func sameRules(a, b policy.Rules) bool {
	return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b)
}

func TestLoadRules(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want policy.Rules
	}{
		"empty":      {"", defaultRules},
		"comment":    {"# nothing\r\n", defaultRules},
		"check only": {"mode = \"check\"\n", policy.Rules{Mode: policy.ModeCheck, Interval: 24 * time.Hour, FirstCheck: 5 * time.Minute, StaleAfter: 336 * time.Hour}},
		"everything": {
			"mode = \"fetch\"\ninterval = \"1m\"\nfirst_check = \"0s\"\nstale_after = \"87600h\"\nrequire_ac_power = true\nallow_metered = true\n" +
				"windows = [\"Mon..Fri 22:00-06:00\", \"Sat,Sun 00:00-24:00 UTC\"]\n",
			policy.Rules{
				Mode: policy.ModeFetch, Interval: time.Minute, StaleAfter: 87600 * time.Hour, RequireACPower: true, AllowMetered: true,
				Windows: parsedWindows(t, "Mon..Fri 22:00-06:00", "Sat,Sun 00:00-24:00 UTC"),
			},
		},
		"the defaults, written out": {
			"mode = \"install\"\ninterval = \"24h\"\nfirst_check = \"5m\"\nwindows = []\nrequire_ac_power = false\nallow_metered = false\nstale_after = \"336h\"\n",
			defaultRules,
		},
		"fractions": {"interval = \"1.5h\"\nfirst_check = \"1h30m\"\n", policy.Rules{Mode: policy.ModeInstall, Interval: 90 * time.Minute, FirstCheck: 90 * time.Minute, StaleAfter: 336 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			s.write(policyFile, c.text)
			if got, err := LoadRules(s.paths); err != nil || !sameRules(got, c.want) {
				t.Errorf("%+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func parsedWindows(t *testing.T, texts ...string) []policy.Window {
	t.Helper()
	var windows []policy.Window
	for _, text := range texts {
		w, err := policy.ParseWindow(text)
		if err != nil {
			t.Fatal(err)
		}
		windows = append(windows, w)
	}
	return windows
}

func TestLoadRulesWithoutFile(t *testing.T) {
	s := configured(t)
	if got, err := LoadRules(s.paths); err != nil || !sameRules(got, defaultRules) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.RemoveAll(s.paths.At(remotes)); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadRules(s.paths); err != nil || !sameRules(got, defaultRules) {
		t.Errorf("without the folder %+v, %v", got, err)
	}
}

func TestLoadRulesRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, place, why string }{
		"unknown key":         {"\nintervall = \"1h\"\n", ":2: intervall: ", "unknown key"},
		"key in capitals":     {"Mode = \"check\"\n", ":1: Mode: ", "unknown key"},
		"two spellings":       {"mode = \"check\"\nMODE = \"install\"\n", ":2: MODE: ", "unknown key"},
		"duplicate":           {"mode = \"check\"\nmode = \"install\"\n", ":2: mode: ", "already defined"},
		"table":               {"[policy]\nmode = \"check\"\n", ":1: policy: ", "unknown key"},
		"not TOML":            {"mode: check\n", ":1: ", ""},
		"mode unknown":        {"mode = \"auto\"\n", ":1: mode: ", `"auto"`},
		"mode empty":          {"mode = \"\"\n", ":1: mode: ", "none of"},
		"mode a switch":       {"mode = true\n", ":1: mode: ", "boolean, must be a string"},
		"interval a number":   {"interval = 24\n", ":1: interval: ", "integer, must be a string"},
		"interval no unit":    {"interval = \"24\"\n", ":1: interval: ", `"24"`},
		"interval in days":    {"interval = \"1d\"\n", ":1: interval: ", `"1d"`},
		"interval empty":      {"interval = \"\"\n", ":1: interval: ", "duration"},
		"interval of nothing": {"interval = \"0s\"\n", ":1: interval: ", "shorter than 1m"},
		"interval too short":  {"interval = \"59s\"\n", ":1: interval: ", "shorter than 1m"},
		"interval negative":   {"interval = \"-24h\"\n", ":1: interval: ", "shorter than 1m"},
		"interval too long":   {"interval = \"87601h\"\n", ":1: interval: ", "longer than"},
		"interval overflows":  {"interval = \"99999999999h\"\n", ":1: interval: ", "duration"},
		"first check before":  {"\n\nfirst_check = \"-1s\"\n", ":3: first_check: ", "shorter than 0s"},
		"stale at once":       {"stale_after = \"1s\"\n", ":1: stale_after: ", "shorter than 1m"},
		"windows not a list":  {"windows = \"Sat 00:00-24:00\"\n", ":1: windows: ", "string, must be a list"},
		"windows of numbers":  {"windows = [22]\n", ":1: windows: ", "integer, must be a string"},
		"windows nested":      {"windows = [[\"Sat 00:00-24:00\"]]\n", ":1: windows: ", "array, must be a string"},
		"window empty":        {"windows = [\"\"]\n", ":1: windows: ", "form [WEEKDAYS] HH:MM-HH:MM"},
		"second window":       {"mode = \"fetch\"\nwindows = [\"Sat 00:00-24:00\",\n\"Sat 1:00-2:00\"]\n", ":2: windows: ", `"Sat 1:00-2:00": "1:00-2:00" is not`},
		"window zone unknown": {"windows = [\"01:00-02:00 Europe/Atlantis\"]\n", ":1: windows: ", "unknown time zone Europe/Atlantis"},
		"too many windows":    {"windows = [" + strings.Repeat("\"01:00-02:00\",", 65) + "]\n", ":1: windows: ", "more than 64 windows"},
		"power a word":        {"\nrequire_ac_power = \"yes\"\n", ":2: require_ac_power: ", "string, must be a bool"},
		"metered a number":    {"\nallow_metered = 1\n", ":2: allow_metered: ", "integer, must be a bool"},
		"raw text":            {"mode = \"\\u001b[31m\\n\"\n", ":1: mode: ", `"\x1b[31m\n"`},
		"long text":           {"interval = \"" + strings.Repeat("1", 1<<16) + "\"\n", ":1: interval: ", "duration"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			s.write(policyFile, c.text)
			got, err := LoadRules(s.paths)
			s.refused(err, policyFile+c.place, c.why)
			if !sameRules(got, policy.Rules{}) {
				t.Errorf("%+v was returned", got)
			}
		})
	}
}

func TestLoadRulesAccess(t *testing.T) {
	needsRoot(t)
	s := configured(t)
	s.write(policyFile, "mode = \"check\"\n")
	s.change(policyFile, admin, 0, 0o640)
	if got, err := LoadRules(s.paths); err != nil || got.Mode != policy.ModeCheck {
		t.Errorf("%+v, %v", got, err)
	}
	s.change(policyFile, admin, admin, 0o660)
	_, err := LoadRules(s.paths)
	s.refused(err, policyFile+": ", "lets others write")
	if err := errors.Join(os.Remove(s.paths.At(policyFile)), unix.Mkfifo(s.paths.At(policyFile), 0o600)); err != nil {
		t.Fatal(err)
	}
	soon(t, func() {
		_, err := LoadRules(s.paths)
		s.refused(err, policyFile+": ", "not a regular file")
	})
}
