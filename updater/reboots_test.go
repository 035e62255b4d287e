// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"testing"
)

func (s *system) rollback(version string) {
	s.t.Helper()
	s.session(func(u *Updater) {
		if _, err := u.Rollback(s.t.Context(), version); err != nil {
			s.t.Fatal(err)
		}
	})
}

func (s *system) mustUpdate() {
	s.t.Helper()
	if err := s.update(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) isRefused(want error) {
	s.t.Helper()
	if err := s.update(); !errors.Is(err, want) {
		s.t.Errorf("error %v, want %v", err, want)
	}
}

// Rolled back by its user, a machine stays there until it is told otherwise or
// something newer than both comes.
func TestRolledBackByUser(t *testing.T) {
	s := newSystem(t, alpha1)
	s.runs(alpha1)
	s.mustUpdate()
	wantRunning(t, s.powerOn(), alpha3)
	s.confirm()
	s.rollback("")
	for range 3 {
		wantRunning(t, s.powerOn(), alpha1)
		s.confirm()
		s.rolledBack("", "")
		if r := s.record(); r.PendingVersion != "" || r.HighestGood != alpha3 {
			t.Errorf("recorded %+v", r)
		}
		if s.hasMarker() {
			t.Error("there is a marker")
		}
	}
	s.isRefused(ErrNoUpdate) // installed already
	s.offer(alpha2)
	s.isRefused(ErrDowngrade)
	wantRunning(t, s.powerOn(), alpha1)

	s.rollback("")
	wantRunning(t, s.powerOn(), alpha3)
	s.rollback("")
	wantRunning(t, s.powerOn(), alpha1)
	s.offer(alpha4)
	s.mustUpdate()
	s.installed(alpha1, alpha4)
	if got := s.defaultEntry(); got != "" {
		t.Errorf("the loader's default is %q", got)
	}
	wantRunning(t, s.powerOn(), alpha4)
	s.confirm()
	s.rolledBack("", "")
}

// After a rollback nothing newer starts before the default has gone: where it
// cannot be taken away, nothing is touched.
func TestUpdateAfterRollback(t *testing.T) {
	s := newSystem(t, alpha1)
	s.runs(alpha1)
	for name, c := range map[string]struct {
		entries func(fakeEntries) faultyEntries
		changed bool
	}{
		"not writable": {func(e fakeEntries) faultyEntries {
			return faultyEntries{fakeEntries: e, survey: notWritable}
		}, false},
		"writing fails": {func(e fakeEntries) faultyEntries {
			return faultyEntries{fakeEntries: e, fail: map[string]error{"SetDefault": errors.New("flash memory worn out")}}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			disk := newFakeDisk(s.fakeState(alpha1, alpha2))
			disk.cached.variables["default"] = pattern(alpha1)
			before := disk.cached.clone()
			u := s.openWith(s.load(), fakeVolumes{disk}, c.entries(fakeEntries{disk}))
			defer u.Close()
			out, err := u.Update(t.Context(), Request{})
			isOnly(t, err, ErrBootOrderConflict)
			if out.Installed {
				t.Error("reported as installed")
			}
			s.afterFault(before, disk.cached, c.changed)
		})
	}
}

// The last start that the loader grants is as good as the first: the default
// that the version needs is still there once its counter is gone.
func TestDefaultDuringLastTry(t *testing.T) {
	s := newSystem(t, beta3)
	s.configure("boot_tries = 1", "")
	s.runs(beta3)
	s.confirm()
	s.offer(final)
	s.mustUpdate()
	wantRunning(t, s.powerOn(), final)
	s.confirm() // before it is blessed: not yet
	if got := s.record(); got.HighestGood != beta3 || got.PendingVersion != final {
		t.Errorf("recorded %+v", got)
	}
	s.session(func(u *Updater) { // blessed after the process has started
		s.bless()
		s.confirmGood(u)
	})
	if got := s.record(); got.HighestGood != final || got.PendingVersion != "" || len(got.FailedVersions) > 0 {
		t.Errorf("recorded %+v", got)
	}
	for range 2 {
		wantRunning(t, s.powerOn(), final)
		s.confirm()
		s.rolledBack("", "")
	}
	// It does not stay for ever: once another order needs none, it goes.
	s.offer(alpha4)
	mustRemove(s, linux+"clipos-"+beta3+".efi")
	s.session(nil)
	if got := s.defaultEntry(); got != "" {
		t.Errorf("the loader's default is %q", got)
	}
}

// In the last try our default matches nothing, and the loader would start the
// fallback at once more a start: nobody has chosen that, and nothing waits for
// a reboot.
func TestLastTryIsNoRollback(t *testing.T) {
	s := newSystem(t, beta3)
	s.configure("boot_tries = 1", "")
	s.runs(beta3)
	s.confirm()
	s.offer(final)
	s.mustUpdate()
	wantRunning(t, s.powerOn(), final)
	states := func(want string, marker bool) {
		t.Helper()
		s.session(func(u *Updater) {
			if got := s.states(u); got != want || s.hasMarker() != marker {
				t.Errorf("installed %s, want %s; marker %t, want %t", got, want, !marker, marker)
			}
		})
	}
	states("5.0.0 running, beta.3 fallback", false)
	s.mark(false)
	states("5.0.0 running, beta.3 pending", true)
	s.mark(true)
	states("5.0.0 running, beta.3 fallback", false)
	s.rollback("")
	states("5.0.0 running, beta.3 pending", true)
}

// The marker tells after the boot's end what is so then.
func TestConfirmGoodSetsMarker(t *testing.T) {
	s := counted(t)
	wantRunning(t, s.powerOn(), alpha3)
	s.session(func(u *Updater) {
		s.write(markerFile, "")
		s.confirmGood(u)
		if !s.hasMarker() {
			t.Error("removed while the boots are counted")
		}
		s.bless()
		s.confirmGood(u)
		if s.hasMarker() {
			t.Error("there is a marker")
		}
	})
}

// A beta that its final release was installed over is listed first: to roll
// back to it the default goes.
func TestRollbackOfFinal(t *testing.T) {
	s := newSystem(t, beta3)
	s.runs(beta3)
	s.offer(final)
	s.mustUpdate()
	wantRunning(t, s.powerOn(), final)
	s.confirm()
	s.rollback("")
	s.isRefused(ErrNoUpdate)
	if !s.hasMarker() {
		t.Error("no marker")
	}
	wantRunning(t, s.powerOn(), beta3)
	s.confirm()
	s.rolledBack("", "")
	wantRunning(t, s.powerOn(), beta3)
	s.rollback(final)
	wantRunning(t, s.powerOn(), final)
}
