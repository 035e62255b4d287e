// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/clipos/updater/policy"
)

const (
	rulesFile = "policy.toml"
	// A server is not asked more often than this, whatever the file says.
	minInterval = time.Minute
	// Ten years are never; what is added to them does not overflow.
	maxDuration = 10 * 365 * 24 * time.Hour
	// More windows than anybody reads.
	maxWindows = 64
)

// rulesDocument is policy.toml as it is written.
type rulesDocument struct {
	Mode           string   `toml:"mode"`
	Interval       string   `toml:"interval"`
	FirstCheck     string   `toml:"first_check"`
	Windows        []string `toml:"windows"`
	RequireACPower bool     `toml:"require_ac_power"`
	AllowMetered   bool     `toml:"allow_metered"`
	StaleAfter     string   `toml:"stale_after"`
}

// fields are what is still text, to be parsed into r, which takes the rest.
func (d rulesDocument) fields(r *policy.Rules) []field {
	r.RequireACPower, r.AllowMetered = d.RequireACPower, d.AllowMetered
	fields := []field{
		{"mode", d.Mode, parseMode(&r.Mode)},
		{"interval", d.Interval, parseDuration(&r.Interval, minInterval)},
		{"first_check", d.FirstCheck, parseDuration(&r.FirstCheck, 0)},
		{"stale_after", d.StaleAfter, parseDuration(&r.StaleAfter, minInterval)},
	}
	for _, w := range d.Windows {
		fields = append(fields, field{"windows", w, appendWindow(&r.Windows)})
	}
	return fields
}

// LoadRules reads policy.toml, which need not be there. Errors wrap
// ErrConfigInvalid.
func LoadRules(p Paths) (policy.Rules, error) {
	doc, err := readDocument(filepath.Join(p.Remote, rulesFile), notByOthers)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	var r policy.Rules
	if err == nil {
		r, err = parseRules(doc)
	}
	if err != nil {
		return policy.Rules{}, means(ErrConfigInvalid, err)
	}
	return r, nil
}

// parseRules gives a key that is not in the document its default.
func parseRules(doc document) (policy.Rules, error) {
	var r policy.Rules
	d := rulesDocument{Mode: string(policy.ModeInstall), Interval: "24h", FirstCheck: "5m", StaleAfter: "336h"}
	if err := doc.decode(&d); err != nil {
		return policy.Rules{}, err
	}
	err := doc.check(d.fields(&r))
	return r, err
}

func parseMode(to *policy.Mode) func(string) error {
	return func(s string) error {
		for _, m := range []policy.Mode{policy.ModeCheck, policy.ModeFetch, policy.ModeInstall} {
			if s == string(m) {
				*to = m
				return nil
			}
		}
		return fmt.Errorf("%.40q is none of check, fetch, install", s)
	}
}

func parseDuration(to *time.Duration, least time.Duration) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%.40q is not a duration like 24h or 90m", s)
		}
		if d < least {
			return fmt.Errorf("%s is shorter than %s", d, least)
		}
		if d > maxDuration {
			return fmt.Errorf("%s is longer than %s", d, maxDuration)
		}
		*to = d
		return nil
	}
}

func appendWindow(to *[]policy.Window) func(string) error {
	return func(s string) error {
		if len(*to) == maxWindows {
			return fmt.Errorf("more than %d windows", maxWindows)
		}
		w, err := policy.ParseWindow(s)
		*to = append(*to, w)
		return err
	}
}
