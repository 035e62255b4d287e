// SPDX-License-Identifier: LGPL-2.1-or-later

package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/policy"
)

// slots reads versions, with a ! behind those in use.
func slots(t *testing.T, list ...string) []policy.Slot {
	t.Helper()
	var all []policy.Slot
	for _, s := range list {
		text, inUse := strings.CutSuffix(s, "!")
		all = append(all, policy.Slot{Version: version(t, text), InUse: inUse})
	}
	return all
}

func TestChooseTarget(t *testing.T) {
	const release, running = "5.0.0-alpha.3", "5.0.0-alpha.1"
	for name, c := range map[string]struct {
		slots     []string
		protected []string
		want      string // the version replaced, "" for a new volume
		reason    string
		err       error
	}{
		"no volume at all":                {nil, []string{running}, "", "no spare volume", nil},
		"only the running one":            {[]string{running + "!"}, []string{running}, "", "no spare volume", nil},
		"running one, not seen in use":    {[]string{running}, []string{running}, "", "no spare volume", nil},
		"older fallback":                  {[]string{"5.0.0-alpha.0", running}, []string{running}, "5.0.0-alpha.0", "oldest", nil},
		"user rolled back":                {[]string{running, "5.0.0-alpha.2"}, []string{running}, "5.0.0-alpha.2", "oldest", nil},
		"server went back":                {[]string{running, "5.0.0-alpha.4"}, []string{running}, "5.0.0-alpha.4", "oldest", nil},
		"two spare ones":                  {[]string{"5.0.0-alpha.2", "5.0.0-alpha.0", running}, []string{running}, "5.0.0-alpha.0", "oldest", nil},
		"oldest is by number":             {[]string{"5.0.0-alpha.10", "5.0.0-alpha.9", running}, []string{running}, "5.0.0-alpha.9", "oldest", nil},
		"final is younger than beta":      {[]string{"5.0.0", "5.0.0-beta.3", running}, []string{running}, "5.0.0-beta.3", "oldest", nil},
		"oldest in use":                   {[]string{"5.0.0-alpha.0!", "5.0.0-alpha.2", running}, []string{running}, "5.0.0-alpha.2", "oldest", nil},
		"its own, unfinished":             {[]string{"5.0.0-alpha.0", running, release}, []string{running}, release, "unfinished", nil},
		"its own first":                   {[]string{release, "5.0.0-alpha.0", running}, []string{running}, release, "unfinished", nil},
		"its own, another in use":         {[]string{"5.0.0-alpha.0!", release}, []string{running}, release, "unfinished", nil},
		"its own in use":                  {[]string{"5.0.0-alpha.0", release + "!"}, []string{running}, "", "", policy.ErrInUse},
		"only one, in use":                {[]string{"5.0.0-alpha.0!", running}, []string{running}, "", "", policy.ErrInUse},
		"all in use":                      {[]string{"5.0.0-alpha.0!", "5.0.0-alpha.2!", running + "!"}, []string{running}, "", "", policy.ErrInUse},
		"loader started another":          {[]string{"5.0.0-alpha.0", running}, []string{running, "5.0.0-alpha.0"}, "", "no spare volume", nil},
		"loader started another of three": {[]string{"5.0.0-alpha.0", running, "5.0.0-alpha.2"}, []string{running, "5.0.0-alpha.0"}, "5.0.0-alpha.2", "oldest", nil},
		"release is protected":            {[]string{release, "5.0.0-alpha.0"}, []string{release}, "5.0.0-alpha.0", "oldest", nil},
		"nothing protected":               {[]string{running}, nil, running, "oldest", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var protected []policy.Version
			for _, p := range c.protected {
				protected = append(protected, version(t, p))
			}
			list := slots(t, c.slots...)
			for range list {
				got, err := policy.ChooseTarget(list, version(t, release), protected...)
				if !errors.Is(err, c.err) || err != nil && c.err == nil {
					t.Errorf("error %v, want %v", err, c.err)
				}
				if got.Replaces.String() != c.want || !strings.Contains(got.Reason, c.reason) || (got.Reason == "") != (c.err != nil) {
					t.Errorf("%q because %q, want %q because %q", got.Replaces, got.Reason, c.want, c.reason)
				}
				// The order in which volumes are listed decides nothing.
				list = slices.Concat(list[1:], list[:1])
			}
			if got, err := policy.ChooseTarget(list, version(t, release), protected...); c.slots == nil && (err != nil || !got.Replaces.IsZero()) {
				t.Errorf("without volumes %q, %v", got.Replaces, err)
			}
		})
	}
}

// A volume in use is named, so that an administrator knows which.
func TestChooseTargetNamesTheVolume(t *testing.T) {
	_, err := policy.ChooseTarget(slots(t, "5.0.0-alpha.0!"), version(t, "5.0.0"))
	if err == nil || !strings.HasPrefix(err.Error(), "5.0.0-alpha.0: ") {
		t.Errorf("error %v", err)
	}
}
