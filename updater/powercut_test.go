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
)

// The power is cut before effect 0, 1, 2, … of an update until a run
// survives, and each time the disk's cache forgets in several ways. Every
// boot entry must then lead to a whole volume, the running system's must be
// untouched, and the next run must finish.
func TestPowerCut(t *testing.T) {
	for name, c := range map[string]struct {
		others []string
		set    string // the loader's default
		method Method
	}{
		"new volume":         {nil, "", MethodPlain},
		"rename":             {[]string{"5.0.0-alpha.0"}, "", MethodPlain},
		"two spare ones":     {[]string{"5.0.0-alpha.0", "5.0.0-alpha.2"}, "", MethodPlain},
		"after a rollback":   {[]string{"5.0.0-alpha.2"}, pattern("5.0.0-alpha.1"), MethodPlain},
		"rename, patched":    {[]string{"5.0.0-alpha.0"}, "", MethodPatch},
		"rename, compressed": {[]string{"5.0.0-alpha.0"}, "", MethodZstd},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			s.publishes(c.method)
			// Nothing is fetched in another way than the one under test.
			fetched := map[Method]string{MethodPlain: "core", MethodZstd: zstdName, MethodPatch: patchName}[c.method]
			defer func() {
				if got := gets(s.server); slices.Contains(got, "core") != (c.method == MethodPlain) || !slices.Contains(got, fetched) {
					t.Errorf("fetched %q", got)
				}
			}()
			before := s.fakeState(append(c.others, "5.0.0-alpha.1")...)
			before.variables = map[string]string{"default": c.set}
			states, cuts, survived := 0, 0, false
			for ; !survived; cuts++ {
				dies := cuts
				for how, survives := range survivals(uint64(dies)) {
					disk := newFakeDisk(before)
					disk.dies = dies
					if err := os.RemoveAll(s.paths.State + "/" + recordFile); err != nil {
						t.Fatal(err)
					}
					s.runs("5.0.0-alpha.1")
					err := s.updateFake(disk)
					survived = !disk.dead
					if survived != (err == nil) {
						t.Fatalf("cut before effect %d: %v", dies, err)
					}
					states++
					s.afterPowerCut(fmt.Sprintf("cut before effect %d of %q, %s", dies, disk.log, how), before, disk.reboot(survives))
					if len(disk.unflushed) == 0 {
						break // nothing to forget: all ways are one
					}
				}
			}
			t.Logf("%d states at %d cuts", states, cuts)
			if cuts < 10 {
				t.Errorf("an update has only %d effects", cuts)
			}
		})
	}
}

// The checker finds a wrong order: an entry that is there before its volume.
func TestPowerCutCheckerFindsWrongOrder(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	disk := newFakeDisk(s.fakeState("5.0.0-alpha.0", "5.0.0-alpha.1"))
	entries, volumes := fakeEntries{disk}, fakeVolumes{disk}
	if err := volumes.Rename(t.Context(), "core_5.0.0-alpha.0", "core_5.0.0-alpha.3"); err != nil {
		t.Fatal(err)
	}
	if _, err := entries.Stage(t.Context(), "clipos-5.0.0-alpha.3.efi", bytes.NewReader(s.payload("5.0.0-alpha.3", kindEFIBoot))); err != nil {
		t.Fatal(err)
	}
	if err := entries.Publish("clipos-5.0.0-alpha.3.efi"); err != nil {
		t.Fatal(err)
	}
	if err := s.allWhole(disk.reboot(func(int) bool { return true }).durable); err == nil {
		t.Error("an entry without a whole volume was not noticed")
	}
}

func (s *system) fakeState(versions ...string) diskState {
	state := diskState{map[string][]byte{"core_state": []byte("state")}, map[string][]byte{"debian.efi": []byte("foreign")}, nil}
	for _, v := range versions {
		volume := make([]byte, fakeVolumeBytes)
		copy(volume, s.payload(v, kindCore))
		state.volumes["core_"+v] = volume
		state.files["clipos-"+v+".efi"] = s.payload(v, kindEFIBoot)
	}
	return state
}

func (s *system) updateFake(d *fakeDisk) error {
	u := s.openWith(s.load(), fakeVolumes{d}, fakeEntries{d})
	defer u.Close()
	if _, err := u.Recover(context.Background()); err != nil {
		return err
	}
	_, err := u.Update(context.Background(), Request{})
	return err
}

func (s *system) afterPowerCut(when string, before diskState, d *fakeDisk) {
	s.t.Helper()
	if err := s.allWhole(d.durable); err != nil {
		s.t.Fatalf("%s: %v: %v", when, err, d.durable)
	}
	for _, what := range []struct{ was, is []byte }{
		{before.volumes["core_5.0.0-alpha.1"], d.durable.volumes["core_5.0.0-alpha.1"]},
		{before.files["clipos-5.0.0-alpha.1.efi"], d.durable.files["clipos-5.0.0-alpha.1.efi"]},
		{before.volumes["core_state"], d.durable.volumes["core_state"]},
		{before.files["debian.efi"], d.durable.files["debian.efi"]},
	} {
		if !bytes.Equal(what.was, what.is) {
			s.t.Fatalf("%s: the running system was touched: %v", when, d.durable)
		}
	}
	s.runs("5.0.0-alpha.1")
	next := s.nextStart(d)
	if err := s.updateFake(d); err != nil && !errors.Is(err, ErrNoUpdate) {
		s.t.Fatalf("%s: the next run: %v", when, err)
	}
	if err := s.allWhole(d.cached); err != nil {
		s.t.Fatalf("%s: after the next run: %v", when, err)
	}
	if !slices.Contains(d.cached.bootable(), "5.0.0-alpha.3") || !s.hasMarker() {
		s.t.Fatalf("%s: not installed after the next run: %v", when, d.cached)
	}
	s.startsNext(when+", after the next run", d, "5.0.0-alpha.3")
	if told := s.record().RolledBack; told != nil && next != "5.0.0-alpha.3" {
		s.t.Fatalf("%s: told to have gone back from a version that would not have started", when)
	}
	for _, file := range slices.Sorted(maps.Keys(d.cached.files)) {
		if bytes.HasSuffix([]byte(file), []byte(".new")) {
			s.t.Fatalf("%s: %s is left over", when, file)
		}
	}
}

// allWhole tells whether every entry leads to a whole volume.
func (s *system) allWhole(state diskState) error {
	for _, v := range state.bootable() {
		if !bytes.Equal(state.files["clipos-"+v+".efi"], s.payload(v, kindEFIBoot)) {
			return fmt.Errorf("the entry of %s is not whole", v)
		}
		if !bytes.HasPrefix(state.volumes["core_"+v], s.payload(v, kindCore)) {
			return fmt.Errorf("the entry of %s leads to a volume that is not whole", v)
		}
	}
	return nil
}
