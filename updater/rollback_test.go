// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/clipos/updater/efi"
)

const (
	alpha0, alpha1, alpha2, alpha3, alpha4 = "5.0.0-alpha.0", "5.0.0-alpha.1", "5.0.0-alpha.2", "5.0.0-alpha.3", "5.0.0-alpha.4"
	beta3, final                           = "5.0.0-beta.3", "5.0.0"
)

// noVariables is a machine on which the loader cannot be told anything.
func noVariables(s *system) {
	s.t.Helper()
	if err := os.RemoveAll(s.paths.At("/sys/firmware")); err != nil {
		s.t.Fatal(err)
	}
}

// holds installs versions, each as "version" or as
// "version+counter".
func holds(versions string) func(*system) {
	return func(s *system) {
		for _, v := range strings.Fields(versions) {
			version, counter, counted := strings.Cut(v, "+")
			s.has(version)
			if counted {
				s.rename("clipos-"+version+".efi", "clipos-"+version+"+"+counter+".efi")
			}
		}
	}
}

func defaultIs(value string) func(*system) { return func(s *system) { s.setDefault(value) } }

func TestRollback(t *testing.T) {
	for name, c := range map[string]struct {
		running string
		before  []func(*system)
		ask     string
		want    string // the version that then starts
		set     string // the loader's default afterwards
		states  string
	}{
		"fallback":               {alpha3, []func(*system){holds(alpha1)}, "", alpha1, pattern(alpha1), "alpha.3 running, alpha.1 pending"},
		"newest of two":          {alpha3, []func(*system){holds(alpha1 + " " + alpha2)}, "", alpha2, pattern(alpha2), "alpha.3 running, alpha.2 pending, alpha.1 fallback"},
		"named":                  {alpha3, []func(*system){holds(alpha1 + " " + alpha2)}, alpha1, alpha1, pattern(alpha1), "alpha.3 running, alpha.2 fallback, alpha.1 pending"},
		"takes back an update":   {alpha1, []func(*system){holds(alpha3)}, "", alpha1, pattern(alpha1), "alpha.3 fallback, alpha.1 running"},
		"takes it back by name":  {alpha1, []func(*system){holds(alpha3)}, alpha1, alpha1, pattern(alpha1), "alpha.3 fallback, alpha.1 running"},
		"fallback and an update": {alpha1, []func(*system){holds(alpha0 + " " + alpha3)}, "", alpha0, pattern(alpha0), "alpha.3 fallback, alpha.1 running, alpha.0 pending"},
		"what is pending":        {alpha1, []func(*system){holds(alpha3)}, alpha3, alpha3, "", "alpha.3 pending, alpha.1 running"},
		"what runs and starts":   {alpha3, []func(*system){holds(alpha1)}, alpha3, alpha3, "", "alpha.3 running, alpha.1 fallback"},
		"first in order":         {final, []func(*system){holds(beta3), defaultIs(pattern(final))}, "", beta3, "", "5.0.0 running, beta.3 pending"},
		"forward again":          {alpha1, []func(*system){holds(alpha3), defaultIs(pattern(alpha1))}, "", alpha3, "", "alpha.3 pending, alpha.1 running"},
		"own default before":     {alpha3, []func(*system){holds(alpha1 + " " + alpha2), defaultIs(pattern(alpha2))}, alpha1, alpha1, pattern(alpha1), "alpha.3 running, alpha.2 fallback, alpha.1 pending"},
		"stale default before":   {alpha3, []func(*system){holds(alpha1), defaultIs(pattern(alpha0))}, "", alpha1, pattern(alpha1), "alpha.3 running, alpha.1 pending"},
		"with tries left":        {alpha3, []func(*system){holds(alpha1 + "+2-1")}, "", alpha1, countedPattern(alpha1), "alpha.3 running, alpha.1 pending"},
		"somebody's, the same":   {alpha3, []func(*system){holds(alpha1), defaultIs("clipos-5.0.0-alpha.1.efi")}, "", alpha1, "clipos-5.0.0-alpha.1.efi", "alpha.3 running, alpha.1 pending"},
		"no variables needed":    {alpha1, []func(*system){holds(alpha3), noVariables}, alpha3, alpha3, "", "alpha.3 pending, alpha.1 running"},
		"although refuse":        {alpha3, []func(*system){holds(alpha1), func(s *system) { s.configure(`boot_order = "refuse"`, "") }}, "", alpha1, pattern(alpha1), "alpha.3 running, alpha.1 pending"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, c.running)
			all(c.before...)(s)
			s.runs(c.running)
			s.session(func(u *Updater) {
				got, err := u.Rollback(t.Context(), c.ask)
				if err != nil || !reflect.DeepEqual(got, Outcome{Version: c.want, Installed: true}) {
					t.Fatalf("%+v, %v, want %s", got, err, c.want)
				}
				if got := s.states(u); got != c.states {
					t.Errorf("installed %s, want %s", got, c.states)
				}
			})
			if got := s.defaultEntry(); got != c.set {
				t.Errorf("the loader's default is %q, want %q", got, c.set)
			}
			waits := c.want != c.running
			if s.hasMarker() != waits {
				t.Errorf("marker: %v", s.hasMarker())
			}
			// Another process finds the same.
			s.session(func(u *Updater) {
				if got := s.states(u); got != c.states {
					t.Errorf("installed later %s, want %s", got, c.states)
				}
			})
			if s.hasMarker() != waits {
				t.Errorf("marker later: %v", s.hasMarker())
			}
			wantRunning(t, s.powerOn(), c.want)
			s.session(nil)
			s.rolledBack("", "")
			wantRunning(t, s.powerOn(), c.want)
		})
	}
}

func TestRollbackRefused(t *testing.T) {
	for name, c := range map[string]struct {
		before []func(*system)
		ask    string
		want   error
	}{
		"nothing there":        {nil, "", ErrUnknownVersion},
		"not installed":        {[]func(*system){holds(alpha1)}, alpha2, ErrUnknownVersion},
		"no entry":             {[]func(*system){func(s *system) { s.hasVolume(alpha1) }}, "", ErrUnknownVersion},
		"no entry, named":      {[]func(*system){func(s *system) { s.hasVolume(alpha1) }}, alpha1, ErrUnknownVersion},
		"no volume":            {[]func(*system){holds(alpha1), func(s *system) { mustRemove(s, "/volumes/core_"+alpha1) }}, alpha1, ErrUnknownVersion},
		"no tries left":        {[]func(*system){holds(alpha1 + "+0-3")}, "", ErrUnknownVersion},
		"no tries left, named": {[]func(*system){holds(alpha1 + "+0-3")}, alpha1, ErrUnknownVersion},
		"no EFI binary":        {[]func(*system){holds(alpha1), func(s *system) { s.write(linux+"clipos-"+alpha1+".efi", "no EFI binary") }}, alpha1, ErrUnknownVersion},
		"half an EFI binary": {[]func(*system){holds(alpha1), func(s *system) {
			s.write(linux+"clipos-"+alpha1+".efi", string(s.payload(alpha1, kindEFIBoot)[:50000]))
		}}, "", ErrUnknownVersion},
		"only half written":   {[]func(*system){holds(alpha1), func(s *system) { s.rename("clipos-"+alpha1+".efi", "clipos-"+alpha1+".efi.new") }}, alpha1, ErrUnknownVersion},
		"no version":          {[]func(*system){holds(alpha1)}, "5.0", ErrInvalidVersion},
		"build metadata":      {[]func(*system){holds(alpha1)}, alpha1 + "+1", ErrInvalidVersion},
		"somebody's default":  {[]func(*system){holds(alpha1), defaultIs("clipos-5.0.0-alpha.3.efi")}, "", ErrBootOrderConflict},
		"somebody's, foreign": {[]func(*system){holds(alpha1), defaultIs("debian.efi")}, "", ErrBootOrderConflict},
		"no variables":        {[]func(*system){holds(alpha1), noVariables}, "", ErrBootOrderConflict},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha3)
			all(c.before...)(s)
			s.runs(alpha3)
			u := s.open()
			defer u.Close()
			before, recorded := s.disk(), s.record()
			got, err := u.Rollback(t.Context(), c.ask)
			if !errors.Is(err, c.want) || !reflect.DeepEqual(got, Outcome{}) {
				t.Errorf("%+v, error %v, want %v", got, err, c.want)
			}
			s.sameDisk(before)
			if got := s.record(); !reflect.DeepEqual(got, recorded) {
				t.Errorf("recorded %+v", got)
			}
		})
	}
}

// A default that cannot be set although it seemed so is not set later either.
func TestRollbackVariableFails(t *testing.T) {
	s := newSystem(t, alpha3)
	s.runs(alpha3)
	disk := newFakeDisk(s.fakeState(alpha1, alpha3))
	faulty := faultyEntries{fakeEntries: fakeEntries{disk}, fail: map[string]error{"SetDefault": efi.ErrNoVariables}}
	u := s.openWith(s.load(), fakeVolumes{disk}, faulty)
	_, err := u.Rollback(t.Context(), "")
	u.Close()
	isOnly(t, err, ErrBootOrderConflict)
	if s.hasMarker() {
		t.Error("there is a marker")
	}
	u = s.openWith(s.load(), fakeVolumes{disk}, fakeEntries{disk})
	defer u.Close()
	if _, err := u.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.states(u); got != "alpha.3 running, alpha.1 fallback" || len(disk.cached.variables) > 0 {
		t.Errorf("installed %s, variables %q", got, disk.cached.variables)
	}
}

func mustRemove(s *system, path string) {
	s.t.Helper()
	if err := os.Remove(s.paths.At(path)); err != nil {
		s.t.Fatal(err)
	}
}

// What somebody called bad is not fallen back to, but can be named, and then
// has another chance.
func TestRollbackToFailed(t *testing.T) {
	s := newSystem(t, alpha3)
	s.has(alpha1)
	s.runs(alpha3)
	s.session(func(u *Updater) {
		must(t, u.Change(func(r *Record) { condemn(r, mustParse(t, alpha1)) }))
		if got := s.states(u); got != "alpha.3 running, alpha.1 failed" {
			t.Errorf("installed %s", got)
		}
		if _, err := u.Rollback(t.Context(), ""); !errors.Is(err, ErrUnknownVersion) {
			t.Errorf("error %v, want %v", err, ErrUnknownVersion)
		}
		if _, err := u.Rollback(t.Context(), alpha1); err != nil {
			t.Fatal(err)
		}
		if got := s.states(u); got != "alpha.3 running, alpha.1 pending" {
			t.Errorf("installed %s", got)
		}
	})
	s.isFailed()
}

// What the loader says it started is not waited for.
func TestSelectedIsNotPending(t *testing.T) {
	s := newSystem(t, alpha1)
	disk := newFakeDisk(s.fakeState(alpha1, alpha3))
	entries := faultyEntries{fakeEntries: fakeEntries{disk}, survey: func(e *efi.Survey) { e.Selected = "clipos-" + alpha3 + ".efi" }}
	u := s.openWith(s.load(), fakeVolumes{disk}, entries)
	defer u.Close()
	if got := s.states(u); got != "alpha.3 fallback, alpha.1 running" {
		t.Errorf("installed %s", got)
	}
}
