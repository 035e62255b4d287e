// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func (s *system) mark(good bool) {
	s.t.Helper()
	s.session(func(u *Updater) {
		if err := u.MarkBoot(s.t.Context(), good); err != nil {
			s.t.Fatal(err)
		}
	})
}

func (s *system) hasEntries(want ...string) {
	s.t.Helper()
	for i := range want {
		want[i] = "clipos-" + want[i] + ".efi"
	}
	if got := names(s.t, s.paths.At(linux)); !slices.Equal(got, want) {
		s.t.Errorf("entries %q, want %q", got, want)
	}
}

func TestMarkBoot(t *testing.T) {
	for name, c := range map[string]struct {
		entry   string // of the running 5.0.0-alpha.3
		marks   []bool
		want    string
		starts  string
		good    string
		pending string
		failed  []string
	}{
		"good":                     {alpha3, []bool{true}, alpha3, alpha3, alpha3, "", nil},
		"good, counted":            {alpha3 + "+2-1", []bool{true}, alpha3, alpha3, alpha3, "", nil},
		"good, in the last try":    {alpha3 + "+0-3", []bool{true}, alpha3, alpha3, alpha3, "", nil},
		"good, zero is written":    {alpha3 + "+3-0", []bool{true}, alpha3, alpha3, alpha3, "", nil},
		"good twice":               {alpha3 + "+2-1", []bool{true, true}, alpha3, alpha3, alpha3, "", nil},
		"bad":                      {alpha3, []bool{false}, alpha3 + "+0-1", alpha1, "", alpha3, []string{alpha3}},
		"bad, counted":             {alpha3 + "+1-2", []bool{false}, alpha3 + "+0-2", alpha1, "", alpha3, []string{alpha3}},
		"bad, in the last try":     {alpha3 + "+0-3", []bool{false}, alpha3 + "+0-3", alpha1, "", alpha3, []string{alpha3}},
		"bad, another spelling":    {alpha3 + "+00-03", []bool{false}, alpha3 + "+00-03", alpha1, "", alpha3, []string{alpha3}},
		"bad twice":                {alpha3, []bool{false, false}, alpha3 + "+0-1", alpha1, "", alpha3, []string{alpha3}},
		"bad, then good after all": {alpha3 + "+2-1", []bool{false, true}, alpha3, alpha3, alpha3, "", nil},
		"good, then bad":           {alpha3 + "+2-1", []bool{true, false}, alpha3 + "+0-1", alpha1, alpha3, alpha3, []string{alpha3}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha3)
			s.has(alpha1)
			if c.entry != alpha3 {
				s.rename("clipos-"+alpha3+".efi", "clipos-"+c.entry+".efi")
			}
			s.runs(alpha3)
			for _, good := range c.marks {
				s.mark(good)
				s.session(nil)
			}
			s.hasEntries(alpha1, c.want)
			s.isWhole(alpha1, "clipos-"+alpha1+".efi")
			s.isWhole(alpha3, "clipos-"+c.want+".efi")
			if r := s.record(); r.HighestGood != c.good || r.PendingVersion != c.pending || !slices.Equal(r.FailedVersions, c.failed) {
				t.Errorf("recorded %+v", r)
			}
			wantRunning(t, s.powerOn(), c.starts)
			s.session(nil)
			if c.starts == alpha1 {
				s.rolledBack(alpha3, alpha1)
				s.isFailed(alpha3)
			}
			s.rolledBack("", "")
		})
	}
}

// What somebody calls bad the end of the boot does not make good.
func TestConfirmGoodAfterBad(t *testing.T) {
	s := newSystem(t, alpha3)
	s.runs(alpha3)
	s.mark(false) // there is nothing to fall back to
	for range 2 {
		s.confirm()
		if r := s.record(); r.HighestGood != "" || !slices.Equal(r.FailedVersions, []string{alpha3}) {
			t.Errorf("recorded %+v", r)
		}
		wantRunning(t, s.powerOn(), alpha3)
	}
	s.rolledBack("", "")
	// An update leads out of it.
	s.offer(alpha4)
	s.mustUpdate()
	wantRunning(t, s.powerOn(), alpha4)
	s.confirm()
	s.rolledBack("", "")
	s.isFailed(alpha3)
}

// The default that a version needs does not stand against its being bad, and
// is there again when it is good after all.
func TestMarkBootWithDefault(t *testing.T) {
	for name, tries := range map[string]string{"counted": "boot_tries = 2", "not counted": ""} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, beta3)
			s.configure(tries, "")
			s.runs(beta3)
			s.offer(final)
			s.mustUpdate()
			wantRunning(t, s.powerOn(), final)
			s.mark(false)
			s.session(nil)
			s.mark(true)
			wantRunning(t, s.powerOn(), final)
			s.confirm()
			s.rolledBack("", "")
			s.mark(false)
			wantRunning(t, s.powerOn(), beta3)
			s.confirm()
			s.rolledBack(final, beta3)
			s.isFailed(final)
			if got := s.defaultEntry(); got != "" {
				t.Errorf("the loader's default is %q", got)
			}
		})
	}
}

// To call the running version bad does not forget the one that waits.
func TestMarkBadWhileAnotherWaits(t *testing.T) {
	s := counted(t)
	s.mark(false)
	if r := s.record(); r.PendingVersion != alpha3 {
		t.Errorf("recorded %+v", r)
	}
	wantRunning(t, s.powerOn(), alpha3)
	s.session(nil)
	wantRunning(t, s.powerOn(), alpha3)
	s.session(nil)
	s.rolledBack("", "")
	// Of two that failed the loader takes the newer.
	wantRunning(t, s.powerOn(), alpha3)
	s.isFailed(alpha1)
}

// The running version's counter is not taken for good by the end of the boot
// where boots are counted.
func TestConfirmGoodWithCounter(t *testing.T) {
	s := counted(t)
	wantRunning(t, s.powerOn(), alpha3)
	s.confirm()
	if r := s.record(); r.HighestGood != alpha1 || r.PendingVersion != alpha3 {
		t.Errorf("recorded %+v", r)
	}
	s.bless()
	s.confirm()
	if r := s.record(); r.HighestGood != alpha3 || r.PendingVersion != "" || r.PendingBoot != "" {
		t.Errorf("recorded %+v", r)
	}
}

// An entry that cannot be renamed is told; the mark is remembered all the same.
func TestMarkBootFails(t *testing.T) {
	s := newSystem(t, alpha1)
	disk := newFakeDisk(s.fakeState(alpha1))
	faulty := faultyEntries{fakeEntries: fakeEntries{disk}, fail: map[string]error{"Condemn": unix.EIO}}
	u := s.openWith(s.load(), fakeVolumes{disk}, faulty)
	defer u.Close()
	isOnly(t, u.MarkBoot(t.Context(), false), ErrWriteFailed)
	if r := u.Record(); !slices.Equal(r.FailedVersions, []string{alpha1}) {
		t.Errorf("recorded %+v", r)
	}
}
