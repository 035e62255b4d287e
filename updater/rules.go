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
)

// LoadRules reads policy.toml, which need not be there. Errors wrap
// ErrConfigInvalid.
func LoadRules(p Paths) (policy.Rules, error) {
	var r policy.Rules
	d := struct {
		Mode       string `toml:"mode"`
		Interval   string `toml:"interval"`
		FirstCheck string `toml:"first_check"`
		StaleAfter string `toml:"stale_after"`
	}{string(policy.ModeInstall), "24h", "5m", "336h"}
	doc, err := readDocument(filepath.Join(p.Remote, rulesFile), notByOthers)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = doc.decode(&d)
	}
	if err == nil {
		err = doc.check([]field{
			{"mode", d.Mode, parseMode(&r.Mode)},
			{"interval", d.Interval, parseDuration(&r.Interval, minInterval)},
			{"first_check", d.FirstCheck, parseDuration(&r.FirstCheck, 0)},
			{"stale_after", d.StaleAfter, parseDuration(&r.StaleAfter, minInterval)},
		})
	}
	if err != nil {
		return policy.Rules{}, means(ErrConfigInvalid, err)
	}
	return r, nil
}

func parseMode(to *policy.Mode) func(string) error {
	return func(s string) error {
		for _, m := range []policy.Mode{policy.ModeCheck, policy.ModeInstall} {
			if s == string(m) {
				*to = m
				return nil
			}
		}
		return fmt.Errorf("%.40q is none of check, install", s)
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
