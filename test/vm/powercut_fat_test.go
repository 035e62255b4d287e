// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipos/updater/test/powercut"
)

// harmless is what fsck.fat may say of an ESP that was mounted when the power
// was cut: it begins lines with that. mtools writes no second boot sector.
var harmless = []string{
	"fsck.fat ", "Leaving filesystem unchanged.", "Dirty bit is set.", "Free cluster summary wrong",
	"There are differences between boot sector", "This is mostly harmless.",
}

// fatBytes is more than FAT's tables and folders take of the ESP.
const fatBytes = 4 * mib

// unreached is what it says of clusters that belong to no file. Between the two
// flushes of a rename, package efi's order leaves the file's content so: never
// for longer than that.
const unreached = "Reclaimed "

// checkFAT has fsck.fat look at the ESP after each flush that changed it.
func (m *machine) checkFAT(r powercut.Recording) {
	m.Helper()
	image := filepath.Join(m.work, "esp")
	defer os.Remove(image)
	var before []byte
	states, lost := 0, false
	for cut, disk := range r.States() {
		if cut.Kind != powercut.Flushed {
			continue
		}
		esp, err := disk.ESP()
		if err != nil {
			m.Fatal(err)
		}
		tables := make([]byte, fatBytes)
		if _, err := esp.ReadAt(tables, 0); err != nil {
			m.Fatal(err)
		}
		if !bytes.Equal(tables, before) {
			before = tables
			states++
			lostBefore := lost
			if lost = m.fsck(cut, image, esp); lost && lostBefore {
				m.Errorf("%v: clusters belong to no file, and the flush before too", cut)
			}
		}
	}
	if lost {
		m.Error("clusters belong to no file after the last flush")
	}
	m.Logf("fsck.fat looked at %d states of the ESP", states)
}

// fsck asserts that fsck.fat has nothing to say of an ESP but what is harmless,
// and tells whether clusters belong to no file.
func (m *machine) fsck(cut powercut.Cut, image string, esp io.Reader) (lost bool) {
	m.Helper()
	err := writeSparse(image, esp)
	if err != nil {
		m.Fatal(err)
	}
	text, err := output(m.Context(), "sh", "-c", `fsck.fat -n "$0" || test $? = 1`, image)
	if err != nil {
		m.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, unreached) {
			lost = true
			continue
		}
		detail := strings.HasPrefix(line, " ") || line == "\n" || strings.HasPrefix(line, image)
		if !detail && !slices.ContainsFunc(harmless, func(words string) bool { return strings.HasPrefix(line, words) }) {
			m.Errorf("%v: fsck.fat: %s", cut, line)
		}
	}
	return lost
}

// checkRepair has fsck.fat repair the ESP of each state, as it is done at boot
// before the ESP is mounted. What boots afterwards must be whole, and the ESP
// without a fault that makes Linux refuse to write to it.
func (m *machine) checkRepair(r powercut.Recording, judge *powercut.Machine) {
	m.Helper()
	image := filepath.Join(m.work, "esp")
	defer os.Remove(image)
	repaired := map[uint64]*powercut.ESP{}
	changed := 0
	var tally powercut.Tally
	for cut, disk := range r.States() {
		before := judge.Judge(disk)
		esp, known := repaired[before.ESP]
		if !known {
			var err error
			if esp, err = m.repair(disk, image, judge); err != nil {
				m.Errorf("%v: %v", cut, err)
			}
			repaired[before.ESP] = esp
		}
		if esp == nil {
			continue
		}
		after := judge.JudgeRepaired(disk, esp)
		tally.Add(cut, after)
		if after.Boots != before.Boots {
			changed++
			m.Logf("%v: boots %s before the repair, %s after", cut, before.Boots, after.Boots)
		}
	}
	if tally.Bad > 0 {
		m.Error("a repaired ESP leaves a machine that does not boot")
	}
	m.Logf("repaired: at most %d different ESPs, %v\n  another version boots after the repair: %d", len(repaired), &tally, changed)
}

// repair is the state's ESP as fsck.fat leaves it; an error where something is
// left for it to do.
func (m *machine) repair(disk *powercut.Disk, image string, judge *powercut.Machine) (*powercut.ESP, error) {
	m.Helper()
	esp, err := disk.ESP()
	if err == nil {
		err = writeSparse(image, esp)
	}
	if err != nil {
		m.Fatal(err)
	}
	// 1 is what it says when it has repaired something.
	if text, err := output(m.Context(), "sh", "-c", `{ fsck.fat -a "$0" || test $? = 1; } && fsck.fat -n "$0"`, image); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	repaired, err := os.Open(image)
	if err != nil {
		m.Fatal(err)
	}
	defer repaired.Close()
	return judge.ReadESP(repaired), nil
}

// writeSparse writes a file with holes where there are zeros.
func writeSparse(path string, r io.Reader) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block, zeros := make([]byte, mib), make([]byte, mib)
	at := int64(0)
	for {
		n, err := io.ReadFull(r, block)
		if !bytes.Equal(block[:n], zeros[:n]) {
			if _, err := f.WriteAt(block[:n], at); err != nil {
				return errors.Join(err, f.Close())
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.Join(f.Truncate(at), f.Close())
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
}
