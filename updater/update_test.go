// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// The four scenarios of the CLIP OS client, with its own results.
func TestScenarios(t *testing.T) {
	for name, before := range map[string][]string{
		"no other core volume":  nil,
		"older fallback":        {"5.0.0-alpha.0"},
		"user rolled back":      {"5.0.0-alpha.2"},
		"server went back":      {"5.0.0-alpha.4"},
		"several spare volumes": {"5.0.0-alpha.0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			s.has(before...)
			if err := s.update(); err != nil {
				t.Fatal(err)
			}
			s.installed("5.0.0-alpha.1", "5.0.0-alpha.3")
			if !s.hasMarker() {
				t.Error("no marker")
			}
			if left := names(t, s.paths.State+"/cache"); len(left) > 0 {
				t.Errorf("cache still has %q", left)
			}
		})
	}
}

func TestSeveralSpareVolumesOldestGoes(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.has("5.0.0-alpha.0", "5.0.0-alpha.2")
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
	s.installed("5.0.0-alpha.1", "5.0.0-alpha.2", "5.0.0-alpha.3")
}

func TestForeignEntriesStay(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.has("5.0.0-alpha.0")
	linux := "/mnt/efiboot/EFI/Linux/"
	foreign := []string{
		"debian-6.1.efi", "clipos-server-5.0.0-alpha.0.efi", "clipos-5.0.0-ALPHA.0.efi", "clipos-5.0.0-alpha.0.efi.bak",
		"clipos-latest.efi", "README.txt", "folder/clipos-5.0.0-alpha.0.efi", "clipos-5.0.0-alpha.1+2-1.efi",
	}
	for _, f := range foreign {
		s.write(linux+f, "content of "+f)
	}
	before := s.disk()
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
	after := s.disk()
	for _, f := range foreign {
		if before[linux+f] != after[linux+f] {
			t.Errorf("%s changed", f)
		}
	}
}

func TestRequests(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range s.server.Requests() {
		if id, v := r.Header.Get("clipos-machineid"), r.Header.Get("clipos-version"); id != machineID || v != "5.0.0-alpha.1" {
			t.Errorf("%s %s sent machine id %q and version %q", r.Method, r.Path, id, v)
		}
		if r.Method == http.MethodGet {
			order = append(order, r.Path)
		}
	}
	dist := "/dist/5.0.0-alpha.3/clipos-"
	want := []string{"/update/v1/clipos/version", dist + "efiboot.sig", dist + "core.sig", dist + "efiboot", dist + "core"}
	if !slices.Equal(order, want) {
		t.Errorf("asked for %q, want %q", order, want)
	}
}

func TestNothingToDo(t *testing.T) {
	for name, c := range map[string]struct{ running, offered string }{
		"same":  {"5.0.0-alpha.3", "5.0.0-alpha.3"},
		"older": {"5.0.0-alpha.4", "5.0.0-alpha.3"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, c.running)
			before := s.disk()
			if err := s.update(); !errors.Is(err, ErrNoUpdate) {
				t.Errorf("error %v, want %v", err, ErrNoUpdate)
			}
			s.sameDisk(before)
			if got := s.asked("sig"); len(got) > 0 {
				t.Errorf("asked for %q", got)
			}
		})
	}
}

func TestInstalledAlready(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.has("5.0.0-alpha.3")
	before := s.disk()
	if err := s.update(); !errors.Is(err, ErrNoUpdate) {
		t.Fatalf("error %v, want %v", err, ErrNoUpdate)
	}
	if !s.hasMarker() {
		t.Error("the marker was not made again")
	}
	after := s.disk()
	delete(after, markerFile)
	if !maps.Equal(before, after) {
		t.Errorf("the disk changed: %v, %v", before, after)
	}
	if got := s.asked("core"); len(got) > 0 {
		t.Errorf("asked for %q", got)
	}
}

func TestUnfinishedVolumeIsTheTarget(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.has("5.0.0-alpha.0")
	s.write("/volumes/core_5.0.0-alpha.3", strings.Repeat("half written", 1000))
	if err := os.Truncate(s.paths.At("/volumes/core_5.0.0-alpha.3"), 2<<20); err != nil {
		t.Fatal(err)
	}
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
	s.installed("5.0.0-alpha.0", "5.0.0-alpha.1", "5.0.0-alpha.3")
}

func TestDowngrade(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.4")
	u := s.open()
	found, err := u.Recover(t.Context())
	if err == nil {
		_, err = u.ConfirmGood(found.Installed)
	}
	if err != nil {
		t.Fatal(err)
	}
	u.Close()
	// The user boots the fallback; the server offers what lies in between.
	s.has("5.0.0-alpha.1")
	s.write("/etc/os-release", "VERSION_ID=5.0.0-alpha.1\n")
	before := s.disk()
	if err := s.update(); !errors.Is(err, ErrDowngrade) {
		t.Errorf("error %v, want %v", err, ErrDowngrade)
	}
	after := s.disk()
	delete(after, markerFile) // alpha.4 is installed and boots next
	if !maps.Equal(before, after) {
		t.Error("the disk changed")
	}
}

func TestFailedBefore(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.hasVolume("5.0.0-alpha.3")
	s.write("/mnt/efiboot/EFI/Linux/clipos-5.0.0-alpha.3+0-3.efi", string(s.payload("5.0.0-alpha.3", kindEFIBoot)))
	before := s.disk()
	if err := s.update(); !errors.Is(err, ErrFailedBefore) {
		t.Errorf("error %v, want %v", err, ErrFailedBefore)
	}
	s.sameDisk(before)
}

func TestBootCounter(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.has("5.0.0-alpha.0")
	s.configure("boot_tries = 3", "")
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
	s.isWhole("5.0.0-alpha.3", "clipos-5.0.0-alpha.3+3.efi")
	if got := names(t, s.paths.At("/mnt/efiboot/EFI/Linux")); !slices.Equal(got, []string{"clipos-5.0.0-alpha.1.efi", "clipos-5.0.0-alpha.3+3.efi"}) {
		t.Errorf("entries %q", got)
	}
}

func TestStagesInOrder(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	u := s.open()
	defer u.Close()
	var stages []Stage
	last := 0.0
	_, err := u.Update(t.Context(), Request{Report: func(st Status) {
		if len(stages) == 0 || stages[len(stages)-1] != st.Stage {
			stages = append(stages, st.Stage)
		}
		if st.Progress < last || st.Progress > 1 {
			t.Errorf("progress went from %v to %v in %s", last, st.Progress, st.Stage)
		}
		last = st.Progress
		if st.Cancelable != (st.Stage != StageSwapping && st.Stage != StageDone) {
			t.Errorf("%s: cancelable %v", st.Stage, st.Cancelable)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Stage{StageChecking, StageFetching, StageVerifying, StageInstalling, StageSwapping, StageDone}
	if !slices.Equal(stages, want) || last != 1 {
		t.Errorf("stages %q, want %q; progress ends at %v", stages, want, last)
	}
}

func TestCheck(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	u := s.open()
	defer u.Close()
	before := s.disk()
	got, err := u.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(s.payload("5.0.0-alpha.3", kindCore)) + len(s.payload("5.0.0-alpha.3", kindEFIBoot)))
	if want := (Check{Available: true, Version: "5.0.0-alpha.3", Running: "5.0.0-alpha.1", DownloadBytes: size}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	r := u.Record()
	if r.LastCheck.IsZero() || !r.LastCheck.Equal(r.LastSuccess) || r.AvailableVersion != "5.0.0-alpha.3" {
		t.Errorf("recorded %+v", r)
	}
	s.sameDisk(before)
}

func TestUnknownVersion(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	u := s.open()
	defer u.Close()
	_, err := u.Update(t.Context(), Request{Version: "6.0.0"})
	if !errors.Is(err, ErrUnknownVersion) {
		t.Errorf("error %v, want %v", err, ErrUnknownVersion)
	}
}
