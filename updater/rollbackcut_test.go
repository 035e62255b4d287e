// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/clipos/updater/efi"
)

// The power is cut before each effect of a rollback or a mark, the record's
// replacement included, which may then be on the disk or not. Whatever is lost,
// what runs stays bootable, whatever the loader starts is whole, and the same
// call made again does all of it.
func TestRollbackPowerCut(t *testing.T) {
	rollback := func(version string) func(context.Context, *Updater) error {
		return func(ctx context.Context, u *Updater) error {
			_, err := u.Rollback(ctx, version)
			return err
		}
	}
	mark := func(good bool) func(context.Context, *Updater) error {
		return func(ctx context.Context, u *Updater) error { return u.MarkBoot(ctx, good) }
	}
	for name, c := range map[string]cutTest{
		"to the fallback":       {alpha3, []string{alpha1, alpha3}, "", rollback(alpha1), alpha1, 2, ""},
		"the update taken back": {alpha1, []string{alpha1, alpha3}, "", rollback(alpha1), alpha1, 2, alpha3},
		"forward":               {alpha1, []string{alpha1, alpha3}, pattern(alpha1), rollback(alpha3), alpha3, 2, ""},
		"first in order":        {final, []string{final, beta3}, pattern(final), rollback(beta3), beta3, 2, ""},
		"from one to another":   {alpha3, []string{alpha1, alpha2, alpha3}, pattern(alpha2), rollback(alpha1), alpha1, 2, ""},
		"bad":                   {alpha3, []string{alpha1, alpha3}, "", mark(false), alpha1, 3, ""},
		"bad, counted":          {alpha3, []string{alpha1, alpha3 + "+1-2"}, "", mark(false), alpha1, 3, ""},
		"bad, no fallback":      {alpha3, []string{alpha3}, "", mark(false), alpha3, 3, ""},
		"good":                  {alpha3, []string{alpha1, alpha3}, "", mark(true), alpha3, 1, ""},
		"good, counted":         {alpha3, []string{alpha1, alpha3 + "+1-2"}, "", mark(true), alpha3, 3, ""},
		"good, with a default":  {final, []string{final + "+1-1", beta3}, countedPattern(final), mark(true), final, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, c.running)
			cuts, survived := 0, false
			for ; !survived; cuts++ {
				for how, survives := range survivals(uint64(cuts)) {
					disk := s.cutCall(c, fmt.Sprintf("cut before effect %d, %s", cuts, how), cuts, survives, false)
					survived = !disk.dead
					if disk.diedBefore == flushRecord {
						s.cutCall(c, fmt.Sprintf("cut before effect %d, %s, record lost", cuts, how), cuts, survives, true)
					}
					if len(disk.unflushed) == 0 {
						break // nothing to forget: all ways are one
					}
				}
			}
			if cuts-1 < c.effects {
				t.Errorf("%d effects, want %d", cuts-1, c.effects)
			}
		})
	}
}

type cutTest struct {
	running string
	entries []string // "version" or "version+counter"
	set     string   // the loader's default before
	call    func(context.Context, *Updater) error
	want    string // the version that starts in the end
	effects int    // at least
	waits   string // the version that is recorded to boot next
}

// flushRecord is the effect of a record's replacement.
const flushRecord = "flush the record"

// cutCall makes the call with a power cut, starts the machine again and makes it
// once more. It returns the disk whose power was cut.
func (s *system) cutCall(c cutTest, when string, dies int, survives func(int) bool, recordIsLost bool) *fakeDisk {
	s.t.Helper()
	if err := os.RemoveAll(s.paths.State); err != nil {
		s.t.Fatal(err)
	}
	s.runs(c.running)
	if c.waits != "" {
		s.awaits(c.waits)
	}
	disk := newFakeDisk(s.countedState(c.entries, c.set))
	disk.dies = dies
	before := disk.cached.clone()
	err := s.onFakeDisk(disk, recordIsLost, c.call)
	survived := !disk.dead
	if survived != (err == nil) {
		s.t.Fatalf("%s: %v", when, err)
	}
	again := disk.reboot(survives)
	s.keepsEverything(when, before, again.durable)
	if survived {
		s.startsNext(when, disk, c.want)
		s.startsNext(when, again, c.want)
	}
	// The same version comes up again, by hand if need be.
	s.runs(c.running)
	if err := s.onFakeDisk(again, false, c.call); err != nil {
		s.t.Fatalf("%s: the next call: %v", when, err)
	}
	s.keepsEverything(when+", after the next call", before, again.cached)
	s.startsNext(when+", after the next call", again, c.want)
	return disk
}

// countedState is a disk with entries under their names at a time.
func (s *system) countedState(entries []string, set string) diskState {
	state := s.fakeState()
	for _, entry := range entries {
		n, _ := efi.ParseName("clipos", "clipos-"+entry+".efi")
		one := s.fakeState(n.Version)
		maps.Copy(state.volumes, one.volumes)
		state.files[n.String()] = one.files["clipos-"+n.Version+".efi"]
	}
	state.variables = map[string]string{"default": set}
	return state
}

// onFakeDisk is a session whose record is on the disk whose power is cut. When
// that happens before the record's folder is flushed, the new record may be lost.
func (s *system) onFakeDisk(d *fakeDisk, recordIsLost bool, call func(context.Context, *Updater) error) error {
	s.t.Helper()
	u := s.openWith(s.load(), fakeVolumes{d}, fakeEntries{d})
	defer u.Close()
	flushed, err := os.ReadFile(u.store.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	u.store.flush = func(string) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		err := d.step(flushRecord)
		var failed error
		switch {
		case err == nil:
			flushed, failed = os.ReadFile(u.store.path)
		case recordIsLost && flushed == nil:
			failed = os.Remove(u.store.path)
		case recordIsLost:
			failed = os.WriteFile(u.store.path, flushed, 0o600)
		}
		if failed != nil {
			s.t.Error(failed)
		}
		return err
	}
	if _, err := u.Recover(s.t.Context()); err != nil {
		return err
	}
	return call(s.t.Context(), u)
}

// keepsEverything asserts that every version still has its entry, under
// whatever counter, that it is whole, and that nothing else has changed.
func (s *system) keepsEverything(when string, before, after diskState) {
	s.t.Helper()
	if !slices.Equal(before.bootable(), after.bootable()) || len(before.files) != len(after.files) {
		s.t.Fatalf("%s: %v, before %v", when, after, before)
	}
	if !maps.EqualFunc(before.volumes, after.volumes, bytes.Equal) {
		s.t.Fatalf("%s: a volume has changed", when)
	}
	for file, data := range after.files {
		want := before.files[file]
		if n, ok := efi.ParseName("clipos", file); ok {
			want = s.payload(n.Version, kindEFIBoot)
		}
		if !bytes.Equal(data, want) {
			s.t.Fatalf("%s: %s has changed", when, file)
		}
	}
}

// nextStart is the version that the loader starts.
func (s *system) nextStart(d *fakeDisk) string {
	s.t.Helper()
	survey, err := fakeEntries{d}.Survey()
	if err != nil {
		s.t.Fatal(err)
	}
	n, _ := efi.ParseName("clipos", loaderStarts(survey))
	return n.Version
}

func (s *system) startsNext(when string, d *fakeDisk, want string) {
	s.t.Helper()
	if got := s.nextStart(d); got != want {
		s.t.Errorf("%s: the loader starts %s, want %s: %v, default %q", when, got, want, d.cached, d.cached.variables["default"])
	}
}
