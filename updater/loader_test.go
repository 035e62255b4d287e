// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/clipos/updater/efi"
)

// loaderStarts is the file that systemd-boot starts: the first in its menu
// that its default matches, else the first.
func loaderStarts(s efi.Survey) string {
	efi.Sort(s.Entries)
	for _, e := range s.Entries {
		if e.Bootable && !e.Name.Temporary && efi.DefaultMatches(s.Default, e.File) {
			return e.File
		}
	}
	return s.Entries[0].File
}

// powerOn starts the machine again and returns the version that the loader
// chose, whose tries it has counted.
func (s *system) powerOn() string {
	s.t.Helper()
	survey, err := newPartition(s.load(), s.paths).Survey()
	if err != nil {
		s.t.Fatal(err)
	}
	file := loaderStarts(survey)
	n, ok := efi.ParseName("clipos", file)
	if !ok {
		s.t.Fatalf("the loader starts %q", file)
	}
	if n.Counted && n.TriesLeft > 0 {
		n.TriesLeft, n.TriesDone = n.TriesLeft-1, n.TriesDone+1
		s.rename(file, n.String())
	}
	s.runs(n.Version)
	return n.Version
}

// runs lets a version run after another start, as if it was picked by hand.
func (s *system) runs(version string) {
	s.t.Helper()
	s.boots++
	s.write("/etc/os-release", "VERSION_ID="+version+"\n")
	s.write(bootIDFile, fmt.Sprintf("%08d-0000-4000-8000-000000000000\n", s.boots))
	if err := os.Remove(s.paths.At(markerFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
}

func (s *system) rename(from, to string) {
	s.t.Helper()
	if err := os.Rename(s.paths.At(linux+from), s.paths.At(linux+to)); err != nil {
		s.t.Fatal(err)
	}
}

// bless is systemd-bless-boot(8) at the end of a good boot.
func (s *system) bless() {
	s.t.Helper()
	for _, file := range names(s.t, s.paths.At(linux)) {
		if n, ok := efi.ParseName("clipos", file); ok && n.Counted && s.load().Running.String() == n.Version {
			n.Counted = false
			s.rename(file, n.String())
		}
	}
}

// session is the life of one process: it recovers, does its work and ends.
func (s *system) session(work func(*Updater)) {
	s.t.Helper()
	u := s.open()
	defer u.Close()
	if _, err := u.Recover(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if work != nil {
		work(u)
	}
}

// confirm is a session in which the boot completes.
func (s *system) confirm() {
	s.t.Helper()
	s.session(s.confirmGood)
}

func (s *system) confirmGood(u *Updater) {
	s.t.Helper()
	list, err := u.Installed(s.t.Context())
	if err == nil {
		_, err = u.ConfirmGood(list)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) record() Record {
	s.t.Helper()
	r, err := parseRecordFile(s.paths.State)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// states are the versions on the disk, newest first, with their states.
func (s *system) states(u *Updater) string {
	s.t.Helper()
	list, err := u.Installed(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var states []string
	for _, i := range list {
		states = append(states, fmt.Sprintf("%s %s", strings.TrimPrefix(i.Version, "5.0.0-"), i.State))
	}
	return strings.Join(states, ", ")
}

// rolledBack asserts what there is to tell, and tells it.
func (s *system) rolledBack(from, to string) {
	s.t.Helper()
	got := s.record().RolledBack
	switch {
	case from == "" && got != nil:
		s.t.Errorf("rolled back: %+v", *got)
	case from != "" && (got == nil || *got != RolledBackEvent{From: from, To: to}):
		s.t.Errorf("rolled back: %+v, want from %s to %s", got, from, to)
	}
	s.session(func(u *Updater) {
		if err := u.Change(func(r *Record) { r.RolledBack = nil }); err != nil {
			s.t.Fatal(err)
		}
	})
}

func pattern(version string) string {
	return efi.DefaultPattern(efi.Name{Product: "clipos", Version: version})
}

func countedPattern(version string) string {
	return efi.DefaultPattern(efi.Name{Product: "clipos", Version: version, Counted: true})
}

func wantRunning(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("the loader starts %s, want %s", got, want)
	}
}
