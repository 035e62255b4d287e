// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/clipos/updater/efi"
)

const defaultVariable = variablesDir + "/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

// setDefault writes the loader's variable as efivarfs shows it.
func (s *system) setDefault(value string) {
	data := binary.LittleEndian.AppendUint32(nil, 7)
	for _, u := range utf16.Encode([]rune(value + "\x00")) {
		data = binary.LittleEndian.AppendUint16(data, u)
	}
	s.write(defaultVariable, string(data))
}

func (s *system) defaultEntry() string {
	s.t.Helper()
	survey, err := newPartition(s.load(), s.paths).Survey()
	if err != nil {
		s.t.Fatal(err)
	}
	return survey.Default
}

// systemd-boot lists 5.0.0-beta.3 before 5.0.0: the final release would not
// start after an update from the beta.
func TestFinalOverBeta(t *testing.T) {
	final := efi.DefaultPattern(efi.Name{Product: "clipos", Version: "5.0.0"})
	for name, c := range map[string]struct {
		change func(*system)
		want   error
		set    string // the loader's default afterwards
	}{
		"default is set":      {func(*system) {}, nil, final},
		"our older default":   {func(s *system) { s.setDefault(efi.DefaultPattern(efi.Name{Product: "clipos", Version: "4.0.0"})) }, nil, final},
		"refuse":              {func(s *system) { s.configure(`boot_order = "refuse"`, "") }, ErrBootOrderConflict, ""},
		"no variables":        {func(s *system) { os.RemoveAll(s.paths.At("/sys/firmware")) }, ErrBootOrderConflict, ""},
		"somebody's default":  {func(s *system) { s.setDefault("clipos-5.0.0-beta.3.efi") }, ErrBootOrderConflict, "clipos-5.0.0-beta.3.efi"},
		"somebody's, foreign": {func(s *system) { s.setDefault("debian.efi") }, ErrBootOrderConflict, "debian.efi"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-beta.3")
			s.has("5.0.0-alpha.4")
			s.offer("5.0.0")
			c.change(s)
			before := s.disk()
			if err := s.update(); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if c.want != nil {
				s.sameDisk(before)
			} else {
				s.installed("5.0.0-beta.3", "5.0.0")
			}
			if got := s.defaultEntry(); got != c.set {
				t.Errorf("the loader's default is %q, want %q", got, c.set)
			}
		})
	}
}

// Once the order is right without it, our default goes; another's stays.
func TestDefaultIsTakenAway(t *testing.T) {
	for name, c := range map[string]struct{ installed, set, want string }{
		"needed":            {"5.0.0 5.0.0-beta.3", pattern("5.0.0"), pattern("5.0.0")},
		"not needed":        {"5.0.0 5.0.0-alpha.4", pattern("5.0.0-beta.9"), ""},
		"entry is gone":     {"5.0.0", pattern("5.0.0-alpha.3"), ""},
		"only one left":     {"5.0.0", pattern("5.0.0"), ""},
		"somebody else's":   {"5.0.0", "clipos-5.0.0.efi", "clipos-5.0.0.efi"},
		"another product's": {"5.0.0", "debian[.+][1-9e]*", "debian[.+][1-9e]*"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0")
			s.has(strings.Fields(c.installed)...)
			s.setDefault(c.set)
			u := s.open()
			defer u.Close()
			if _, err := u.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := s.defaultEntry(); got != c.want {
				t.Errorf("the loader's default is %q, want %q", got, c.want)
			}
		})
	}
}

// A default that leads to an entry without its volume would keep the machine
// from starting: it goes as well.
func TestDefaultWithoutVolume(t *testing.T) {
	s := newSystem(t, alpha3)
	s.has(alpha1)
	s.rollback(alpha1)
	mustRemove(s, "/volumes/core_"+alpha1)
	s.session(nil)
	if got := s.defaultEntry(); got != "" {
		t.Errorf("the loader's default is %q", got)
	}
	wantRunning(t, s.powerOn(), alpha3)
}

// Without content binding any file may be an entry, ordered by its name.
func TestAnyPayloads(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.configure("", "content_binding = false")
	s.write("/mnt/efiboot/EFI/Linux/clipos-5.0.0-alpha.1.efi", "any file")
	swapFiles(dist3+"core", dist3+"efiboot")(s)
	swapFiles(dist3+"core.sig", dist3+"efiboot.sig")(s)
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
	before := s.disk()
	if err := s.update(); !errors.Is(err, ErrNoUpdate) {
		t.Errorf("error %v, want %v", err, ErrNoUpdate)
	}
	s.sameDisk(before)
}
