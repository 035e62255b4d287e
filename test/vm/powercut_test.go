// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/clipos/updater/test/powercut"
	"github.com/clipos/updater/test/release"
)

const (
	// cutSubsets is how many random subsets of each epoch are judged.
	cutSubsets = 100
	// cutSeed makes a run's states those of the next.
	cutSeed = 1
	// wrongVersion is installed in the wrong order. No other test may use it:
	// its image does not boot.
	wrongVersion = "5.0.0-alpha.9"
	// bootedOld and bootedNew are how many states are booted, of those that
	// boot the old and the new version.
	bootedOld, bootedNew = 3, 2
)

// The power is cut during a real update, on a disk with a cache that forgets
// and reorders. Every state must boot the old or the new version, whole; and
// the same judge must find what is wrong with an update in the wrong order, and
// with one that does not flush.
func TestPowerCuts(t *testing.T) {
	needsQEMU(t)
	m := scenario(t)
	disk, scratch := m.record()
	m.offer(nextVersion)
	update, begin := m.within(disk, m.update)
	wrongOrder := m.prepareWrongOrder()
	wrong, wrongBegin := m.within(disk, func() { m.run(wrongOrder...) })
	m.measureGroups(scratch)
	m.stop()
	// What was built last is what the server has. The machine is off, which
	// offer would ask.
	if _, err := m.release(t.Context(), nextVersion, false); err != nil {
		t.Fatal(err)
	}

	base, err := os.Open(disk.base)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	recording := powercut.Recording{Base: base, Requests: update, Begin: begin, Subsets: cutSubsets, Seed: cutSeed}
	judge := m.judge()

	good, tally := m.judgeAll("update", recording, judge)
	if tally.Bad > 0 {
		t.Errorf("an update's power cut leaves a machine that does not boot:\n%v", &tally)
	}
	if tally.Boots[runningVersion] == 0 || tally.Boots[nextVersion] == 0 {
		t.Errorf("boots: %v", tally.Boots)
	}

	m.checkFAT(recording)
	m.checkRepair(recording, judge)

	_, unflushed := m.judgeAll("the same without its flushes", withoutFlushes(recording), judge)
	if unflushed.Faults[powercut.TornVolume] == 0 && unflushed.Faults[powercut.TornEntry] == 0 {
		t.Error("missing flushes were not found")
	}
	wrongRecording := powercut.Recording{Base: base, Requests: wrong, Begin: wrongBegin, Subsets: cutSubsets, Seed: cutSeed}
	_, misordered := m.judgeAll("entry before volume", wrongRecording, judge)
	if misordered.Faults[powercut.TornVolume] == 0 {
		t.Error("the wrong order was not found")
	}
	m.bootSample(recording, good)
}

// prepareWrongOrder returns the command line of a program that installs a small
// release over the one that was just installed, entry first.
func (m *machine) prepareWrongOrder() []string {
	m.Helper()
	r, err := release.Build(m.Context(), m.webroot, release.Options{Version: wrongVersion, NoErrorCorrection: true, Kernel: m.kernel, Initrd: m.initramfs})
	if err != nil {
		m.Fatal(err)
	}
	m.releases[wrongVersion] = r
	program := m.install("wrongorder")
	m.putFile("/run/core", r.Core)
	m.putFile("/run/efiboot", r.Efiboot)
	// That part it does right.
	m.run("rm", "/mnt/efiboot/EFI/Linux/clipos-"+nextVersion+"+3.efi")
	return []string{program, "-from", "core_" + nextVersion, "-version", wrongVersion, "-core", "/run/core", "-efiboot", "/run/efiboot"}
}

// judge knows the releases, and what of the ESP stays as it is.
func (m *machine) judge() *powercut.Machine {
	m.Helper()
	known := powercut.Machine{Product: "clipos", Group: "mainvg", Volumes: []string{"core_" + runningVersion, "core_state", "core_swap"}}
	known.Versions = map[string]powercut.Release{}
	for _, version := range []string{runningVersion, spareVersion, nextVersion, wrongVersion} {
		core, err := os.ReadFile(m.payload(version, "core"))
		efiboot, efibootErr := os.ReadFile(m.payload(version, "efiboot"))
		if err := errors.Join(err, efibootErr); err != nil {
			m.Fatal(err)
		}
		known.Versions[version] = powercut.Release{Core: core, Efiboot: efiboot}
	}
	loader, err := os.ReadFile("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
	if err != nil {
		m.Fatal(err)
	}
	known.Loader = map[string][]byte{"EFI/BOOT/BOOTX64.EFI": loader, "loader/loader.conf": []byte("timeout 0\n")}
	return powercut.NewMachine(known)
}

// state is one that was judged good.
type state struct {
	number int
	cut    powercut.Cut
	boots  string
}

// judgeAll judges every state and prints the counts.
func (m *machine) judgeAll(what string, r powercut.Recording, judge *powercut.Machine) (good []state, tally powercut.Tally) {
	m.Helper()
	begin, number := time.Now(), 0
	for cut, disk := range r.States() {
		verdict := judge.Judge(disk)
		tally.Add(cut, verdict)
		if len(verdict.Faults) == 0 {
			good = append(good, state{number, cut, verdict.Boots})
		}
		number++
	}
	m.Logf("%s: %v\n  %.0f states a second", what, &tally, float64(number)/time.Since(begin).Seconds())
	return good, tally
}

// withoutFlushes is what a program would have written that never flushes.
func withoutFlushes(r powercut.Recording) powercut.Recording {
	requests := slices.Clone(r.Requests[:r.Begin])
	for _, request := range r.Requests[r.Begin:] {
		request.Flush, request.FUA = false, false
		requests = append(requests, request)
	}
	r.Requests, r.Subsets = requests, 10*r.Subsets
	return r
}

// bootSample boots some of the states that were judged good. What boots must be
// what was judged, and the next update must come to its end.
func (m *machine) bootSample(r powercut.Recording, good []state) {
	m.Helper()
	chosen := slices.Concat(spread(good, runningVersion, bootedOld), spread(good, nextVersion, bootedNew))
	images := map[int]string{}
	for i := range chosen {
		images[chosen[i].number] = filepath.Join(m.work, fmt.Sprintf("cut-%d", i))
	}
	number := 0
	for _, disk := range r.States() {
		if dir, wanted := images[number]; wanted {
			m.saveState(disk, r, dir)
		}
		number++
	}
	for i, s := range chosen {
		m.bootState(s, images[s.number], i == 0)
	}
}

// spread picks states of a version from all of the recording.
func spread(good []state, version string, n int) []state {
	var of []state
	for _, s := range good {
		if s.boots == version && s.cut.Kind == powercut.Subset {
			of = append(of, s)
		}
	}
	var chosen []state
	for i := range n {
		chosen = append(chosen, of[(2*i+1)*len(of)/(2*n)])
	}
	return chosen
}

// saveState makes the files of a machine with that disk.
func (m *machine) saveState(disk *powercut.Disk, r powercut.Recording, dir string) {
	m.Helper()
	image := filepath.Join(dir, "disk.raw")
	base := r.Base.(*os.File).Name()
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = all(m.Context(), [][]string{
			{"cp", "--sparse=always", "--reflink=auto", base, image},
			{"qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "raw", filesIn(dir).layer},
			{"cp", "--reflink=auto", m.booted().variables, filesIn(dir).variables},
		})
	}
	if err == nil {
		err = disk.WriteTo(image)
	}
	if err != nil {
		m.Fatal(err)
	}
}

// bootState boots a state and lets the next update come to its end; it boots
// the result of that too where it is said.
func (m *machine) bootState(s state, dir string, reboot bool) {
	m.Helper()
	defer os.RemoveAll(dir)
	m.swapEmulator(func(ctx context.Context) (*emulator, error) { return startEmulator(ctx, dir, "") })
	booted := m.awaitAnyBoot()
	m.Logf("%v boots %s", s.cut, booted)
	if booted != s.boots {
		m.Errorf("%v: boots %s, was judged to boot %s", s.cut, booted, s.boots)
	}
	m.settle()
	m.wantWhole()
	if booted == runningVersion {
		m.update()
		m.wantWhole()
		if !reboot {
			return
		}
		m.reboot(nextVersion)
	}
	m.wantUpdated()
}
