// SPDX-License-Identifier: LGPL-2.1-or-later

package policy_test

import (
	"errors"
	"testing"

	"github.com/clipos/updater/policy"
)

func TestAccept(t *testing.T) {
	for name, c := range map[string]struct {
		offered, running, highestGood string
		want                          error
	}{
		"newer":                       {"5.0.0-alpha.3", "5.0.0-alpha.1", "5.0.0-alpha.1", nil},
		"newer, nothing known":        {"5.0.0-alpha.3", "5.0.0-alpha.1", "", nil},
		"the tenth":                   {"5.0.0-alpha.10", "5.0.0-alpha.9", "5.0.0-alpha.9", nil},
		"final after beta":            {"5.0.0", "5.0.0-beta.3", "5.0.0-beta.3", nil},
		"the highest good once more":  {"5.0.0-alpha.3", "5.0.0-alpha.1", "5.0.0-alpha.3", nil},
		"same":                        {"5.0.0", "5.0.0", "5.0.0", policy.ErrNotNewer},
		"same, nothing known":         {"5.0.0", "5.0.0", "", policy.ErrNotNewer},
		"older":                       {"5.0.0-alpha.1", "5.0.0-alpha.3", "5.0.0-alpha.3", policy.ErrNotNewer},
		"beta after final":            {"5.0.0-beta.9", "5.0.0", "5.0.0", policy.ErrNotNewer},
		"older, and below the best":   {"5.0.0-alpha.1", "5.0.0-alpha.3", "6.0.0", policy.ErrNotNewer},
		"same, and below the best":    {"5.0.0-alpha.1", "5.0.0-alpha.1", "6.0.0", policy.ErrNotNewer},
		"between fallback and best":   {"5.0.0-alpha.3", "5.0.0-alpha.1", "5.0.0-alpha.4", policy.ErrDowngrade},
		"beta between":                {"5.0.0-beta.9", "5.0.0-alpha.1", "5.0.0", policy.ErrDowngrade},
		"above the best":              {"5.0.0-alpha.5", "5.0.0-alpha.1", "5.0.0-alpha.4", nil},
		"best below the running one":  {"5.0.0-alpha.3", "5.0.0-alpha.2", "5.0.0-alpha.1", nil},
		"no running version is known": {"5.0.0-alpha.3", "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := policy.Accept(version(t, c.offered), orZero(t, c.running), orZero(t, c.highestGood))
			if !errors.Is(err, c.want) || err != nil && c.want == nil {
				t.Errorf("error %v, want %v", err, c.want)
			}
			for _, other := range []error{policy.ErrNotNewer, policy.ErrDowngrade} {
				if !errors.Is(c.want, other) && errors.Is(err, other) {
					t.Errorf("error %v is also %v", err, other)
				}
			}
		})
	}
}
