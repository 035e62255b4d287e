// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/policy"
)

const policyFile = remotes + "/policy.toml"

var defaultRules = policy.Rules{Mode: policy.ModeInstall, Interval: 24 * time.Hour, FirstCheck: 5 * time.Minute, StaleAfter: 336 * time.Hour}

func TestLoadRules(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want policy.Rules
	}{
		"empty":      {"", defaultRules},
		"comment":    {"# nothing\r\n", defaultRules},
		"check only": {"mode = \"check\"\n", policy.Rules{Mode: policy.ModeCheck, Interval: 24 * time.Hour, FirstCheck: 5 * time.Minute, StaleAfter: 336 * time.Hour}},
		"everything": {
			"mode = \"install\"\ninterval = \"1m\"\nfirst_check = \"0s\"\nstale_after = \"87600h\"\n",
			policy.Rules{Mode: policy.ModeInstall, Interval: time.Minute, FirstCheck: 0, StaleAfter: 87600 * time.Hour},
		},
		"fractions": {"interval = \"1.5h\"\nfirst_check = \"1h30m\"\n", policy.Rules{Mode: policy.ModeInstall, Interval: 90 * time.Minute, FirstCheck: 90 * time.Minute, StaleAfter: 336 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			s.write(policyFile, c.text)
			if got, err := LoadRules(s.paths); err != nil || got != c.want {
				t.Errorf("%+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestLoadRulesWithoutFile(t *testing.T) {
	s := configured(t)
	if got, err := LoadRules(s.paths); err != nil || got != defaultRules {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.RemoveAll(s.paths.At(remotes)); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadRules(s.paths); err != nil || got != defaultRules {
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
		"raw text":            {"mode = \"\\u001b[31m\\n\"\n", ":1: mode: ", `"\x1b[31m\n"`},
		"long text":           {"interval = \"" + strings.Repeat("1", 1<<16) + "\"\n", ":1: interval: ", "duration"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			s.write(policyFile, c.text)
			got, err := LoadRules(s.paths)
			s.refused(err, policyFile+c.place, c.why)
			if got != (policy.Rules{}) {
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
