// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"os"
	"slices"
	"testing"
)

// counted is a machine that runs 5.0.0-alpha.1 and has updated to
// 5.0.0-alpha.3, which has two tries.
func counted(t *testing.T) *system {
	s := newSystem(t, alpha1)
	s.configure("boot_tries = 2", "")
	s.runs(alpha1)
	s.confirm()
	s.mustUpdate()
	return s
}

// A version that never comes up is given up by the loader. That is told once,
// and remembered when its volume has long been overwritten.
func TestSpentCounter(t *testing.T) {
	s := counted(t)
	wantRunning(t, s.powerOn(), alpha3)
	wantRunning(t, s.powerOn(), alpha3)
	wantRunning(t, s.powerOn(), alpha1)
	s.confirm()
	s.rolledBack(alpha3, alpha1)
	for range 2 {
		s.rolledBack("", "")
		s.session(func(u *Updater) {
			if got := s.states(u); got != "alpha.3 failed, alpha.1 running" {
				t.Errorf("installed %s", got)
			}
		})
		s.isFailed(alpha3)
		if s.hasMarker() {
			t.Error("there is a marker")
		}
		wantRunning(t, s.powerOn(), alpha1)
	}
	s.offer(alpha4)
	s.mustUpdate() // overwrites it
	s.isFailed(alpha3)
	wantRunning(t, s.powerOn(), alpha4)
	s.bless()
	s.confirm()
	s.isFailed(alpha3)
	s.rolledBack("", "")
}

// isFailed asserts which versions are remembered as failed, and by how the
// server's offer is answered for the last.
func (s *system) isFailed(versions ...string) {
	s.t.Helper()
	s.session(func(u *Updater) {
		list, err := u.Installed(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if got := u.Record().Failed(list); !slices.Equal(got, versions) {
			s.t.Errorf("failed are %q, want %q", got, versions)
		}
	})
}

// What ends a wait for a version, and what of it is told.
func TestRolledBack(t *testing.T) {
	await3 := func(s *system) { s.awaits(alpha3) }
	update := func(s *system) { s.mustUpdate() }
	byHand := func(s *system) { s.runs(alpha1) }
	for name, c := range map[string]struct {
		steps   []func(*system)
		told    bool
		pending string // recorded afterwards
		states  string
	}{
		"waits":                    {[]func(*system){update}, false, alpha3, "alpha.3 pending, alpha.1 running"},
		"waits, boot has no name":  {[]func(*system){nameless, update}, false, alpha3, "alpha.3 pending, alpha.1 running"},
		"restarted, without names": {[]func(*system){update, byHand, nameless}, false, alpha3, "alpha.3 pending, alpha.1 running"},
		"older one by hand":        {[]func(*system){update, byHand}, true, alpha3, "alpha.3 pending, alpha.1 running"},
		"comes up":                 {[]func(*system){update, func(s *system) { s.powerOn() }}, false, alpha3, "alpha.3 running, alpha.1 fallback"},
		"taken back":               {[]func(*system){update, func(s *system) { s.rollback("") }, byHand}, false, "", "alpha.3 fallback, alpha.1 running"},
		"never published":          {[]func(*system){await3, byHand}, false, "", "alpha.1 running"},
		"entry was cut short": {[]func(*system){update, func(s *system) {
			s.write(linux+"clipos-"+alpha3+".efi", string(s.payload(alpha3, kindEFIBoot)[:50000]))
		}, byHand}, false, "", "alpha.3 incomplete, alpha.1 running"},
		"overwritten since": {[]func(*system){update, func(s *system) {
			mustRemove(s, linux+"clipos-"+alpha3+".efi")
		}, byHand}, false, "", "alpha.3 incomplete, alpha.1 running"},
		"somebody's default":            {[]func(*system){update, defaultIs("clipos-5.0.0-alpha.1.efi"), byHand}, false, alpha3, "alpha.3 fallback, alpha.1 running"},
		"default of a rollback is left": {[]func(*system){update, defaultIs(pattern(alpha1)), byHand}, false, alpha3, "alpha.3 pending, alpha.1 running"},
		"record is lost": {[]func(*system){update, func(s *system) {
			if err := os.Remove(s.paths.State + "/" + recordFile); err != nil {
				s.t.Fatal(err)
			}
		}, byHand}, false, "", "alpha.3 pending, alpha.1 running"},
		"spent by hand, same boot": {[]func(*system){update, func(s *system) {
			s.rename("clipos-"+alpha3+".efi", "clipos-"+alpha3+"+0-1.efi")
		}}, false, alpha3, "alpha.3 failed, alpha.1 running"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha1)
			s.runs(alpha1)
			all(c.steps...)(s)
			s.session(func(u *Updater) {
				if got := s.states(u); got != c.states {
					t.Errorf("installed %s, want %s", got, c.states)
				}
			})
			if r := s.record(); r.PendingVersion != c.pending || len(r.FailedVersions) > 0 {
				t.Errorf("recorded %+v, want pending %q", r, c.pending)
			}
			if c.told {
				s.rolledBack(alpha3, alpha1)
			}
			// The process is started again and again: that is no news.
			s.rolledBack("", "")
			s.rolledBack("", "")
		})
	}
}

// awaits records that a version boots next.
func (s *system) awaits(version string) {
	s.t.Helper()
	u := s.open()
	defer u.Close()
	if err := u.Change(func(r *Record) { await(r, mustParse(s.t, version), u.config.BootID) }); err != nil {
		s.t.Fatal(err)
	}
}

// nameless is a system in a folder without /proc.
func nameless(s *system) { mustRemove(s, bootIDFile) }

// Each start that goes back is told, as long as what it goes back from waits.
func TestRolledBackAgain(t *testing.T) {
	s := newSystem(t, alpha1)
	s.runs(alpha1)
	s.mustUpdate()
	for range 3 {
		s.runs(alpha1)
		s.confirm()
		s.rolledBack(alpha3, alpha1)
		s.rolledBack("", "")
		if !s.hasMarker() {
			t.Error("no marker")
		}
	}
	wantRunning(t, s.powerOn(), alpha3)
	s.confirm()
	s.runs(alpha1) // good once, and left by hand: nothing was to boot next
	s.confirm()
	s.rolledBack("", "")
}

// The power fails between the new entry and the default that it needs: the old
// version starts once more, which is no failure of the new one.
func TestDefaultIsSetLater(t *testing.T) {
	for name, c := range map[string]struct {
		running, offered, before, after string
	}{
		"set":        {beta3, final, "", pattern(final)},
		"taken away": {alpha1, alpha3, pattern(alpha1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, c.running)
			s.runs(c.running)
			s.offer(c.offered)
			s.mustUpdate()
			s.setDefault(c.before)
			wantRunning(t, s.powerOn(), c.running)
			s.confirm()
			s.rolledBack("", "")
			if got := s.defaultEntry(); got != c.after {
				t.Errorf("the loader's default is %q, want %q", got, c.after)
			}
			if !s.hasMarker() {
				t.Error("no marker")
			}
			wantRunning(t, s.powerOn(), c.offered)
			s.confirm()
			s.rolledBack("", "")
		})
	}
}

// A state folder that cannot be written keeps nobody from seeing what is
// installed; what happened is found out later.
func TestRolledBackNotRecorded(t *testing.T) {
	s := counted(t)
	wantRunning(t, s.powerOn(), alpha3)
	wantRunning(t, s.powerOn(), alpha3)
	wantRunning(t, s.powerOn(), alpha1)
	u := s.open()
	path := u.store.path
	u.store.path += "/missing/" + recordFile
	found, err := u.Recover(t.Context())
	if err != nil || len(found.Installed) != 2 || len(found.Notes) != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	u.store.path = path
	u.Close()
	s.session(nil)
	s.rolledBack(alpha3, alpha1)
}
