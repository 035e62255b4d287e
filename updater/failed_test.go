// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/clipos/updater/policy"
)

func mustParse(t *testing.T, version string) policy.Version {
	t.Helper()
	v, err := policy.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (s *system) forgive(version string) error {
	s.t.Helper()
	var err error
	s.session(func(u *Updater) {
		list, unread := u.Installed(s.t.Context())
		if unread != nil {
			s.t.Fatal(unread)
		}
		err = u.Forgive(version, list)
	})
	return err
}

// A version that failed is installed again only once it is forgiven, and then
// has another chance, which it may fail as well.
func TestFailedUntilForgiven(t *testing.T) {
	for name, overwritten := range map[string]bool{"on the disk": false, "only remembered": true} {
		t.Run(name, func(t *testing.T) {
			s := counted(t)
			wantRunning(t, s.powerOn(), alpha3)
			wantRunning(t, s.powerOn(), alpha3)
			wantRunning(t, s.powerOn(), alpha1)
			s.confirm()
			if overwritten {
				mustRemove(s, "/volumes/core_"+alpha3)
				mustRemove(s, linux+"clipos-"+alpha3+"+0-2.efi")
				s.has(alpha0)
			}
			s.offer(alpha3)
			before, asked := s.disk(), len(s.asked(".sig"))
			s.isRefused(ErrFailedBefore)
			s.session(func(u *Updater) {
				got, err := u.Check(t.Context())
				if want := (Check{Version: alpha3, Running: alpha1, FailedBefore: true}); err != nil || got != want {
					t.Errorf("%+v, %v, want %+v", got, err, want)
				}
				if _, err := u.Plan(t.Context(), alpha3); !errors.Is(err, ErrFailedBefore) {
					t.Errorf("plan: error %v", err)
				}
				if err := u.Acceptable(t.Context(), alpha3); !errors.Is(err, ErrFailedBefore) {
					t.Errorf("acceptable: error %v", err)
				}
			})
			s.sameDisk(before)
			if got := s.asked(".sig"); len(got) != asked {
				t.Errorf("asked for %q", got)
			}

			if err := s.forgive(alpha3); err != nil {
				t.Fatal(err)
			}
			s.isFailed()
			if err := s.forgive(alpha3); !errors.Is(err, ErrUnknownVersion) {
				t.Errorf("forgiven twice: error %v", err)
			}
			s.rolledBack(alpha3, alpha1)
			s.mustUpdate()
			s.isWhole(alpha3, "clipos-"+alpha3+"+2.efi")
			if r := s.record(); len(r.Forgiven) > 0 || len(r.FailedVersions) > 0 {
				t.Errorf("recorded %+v", r)
			}
			s.rolledBack("", "")
			wantRunning(t, s.powerOn(), alpha3)
			wantRunning(t, s.powerOn(), alpha3)
			wantRunning(t, s.powerOn(), alpha1)
			s.session(nil)
			s.rolledBack(alpha3, alpha1)
			s.isFailed(alpha3)
		})
	}
}

// Forgiving forgets nothing else: what is lower than what was good stays so.
func TestForgiveIsNoDowngrade(t *testing.T) {
	s := newSystem(t, alpha4)
	s.runs(alpha4)
	s.confirm()
	s.has(alpha1)
	s.mark(false)
	wantRunning(t, s.powerOn(), alpha1)
	s.session(nil)
	s.rolledBack(alpha4, alpha1)
	if err := s.forgive(alpha4); err != nil {
		t.Fatal(err)
	}
	before := s.disk()
	s.isRefused(ErrDowngrade) // 5.0.0-alpha.3
	s.sameDisk(before)
	s.offer(alpha4)
	s.mustUpdate()
	s.installed(alpha1, alpha4)
}

func TestForgiveNothing(t *testing.T) {
	s := newSystem(t, alpha1)
	s.has(alpha3)
	for version, want := range map[string]error{
		alpha3: ErrUnknownVersion, alpha2: ErrUnknownVersion, "": ErrInvalidVersion, "5.0": ErrInvalidVersion,
	} {
		if err := s.forgive(version); !errors.Is(err, want) {
			t.Errorf("%q: error %v, want %v", version, err, want)
		}
	}
	if r := s.record(); !reflect.DeepEqual(r, Record{}) {
		t.Errorf("recorded %+v", r)
	}
}

func TestFailed(t *testing.T) {
	spent := []Installed{{Version: alpha4, State: InstalledFailed}, {Version: alpha3, State: InstalledFailed}, {Version: alpha1, State: InstalledRunning}}
	for name, c := range map[string]struct {
		record    Record
		installed []Installed
		want      []string
	}{
		"none":        {Record{}, spent[2:], nil},
		"remembered":  {Record{FailedVersions: []string{alpha2, alpha1}}, nil, []string{alpha2, alpha1}},
		"on the disk": {Record{}, spent, []string{alpha4, alpha3}},
		"both":        {Record{FailedVersions: []string{alpha3}}, spent, []string{alpha3, alpha4}},
		"forgiven":    {Record{Forgiven: []string{alpha4}}, spent, []string{alpha3}},
	} {
		if got := c.record.Failed(c.installed); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	r := Record{FailedVersions: []string{alpha2, alpha1}}
	condemn(&r, mustParse(t, alpha1))
	condemn(&r, mustParse(t, alpha3))
	if want := []string{alpha3, alpha1, alpha2}; !slices.Equal(r.FailedVersions, want) {
		t.Errorf("%q, want %q", r.FailedVersions, want)
	}
}
