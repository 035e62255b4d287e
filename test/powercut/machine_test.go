// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipos/updater/lvm/lvmtest"
	"github.com/clipos/updater/test/release"
)

const (
	espOffset, espBytes = 1 << 20, 34 << 20
	pvOffset, pvBytes   = espOffset + espBytes, 24 << 20
)

// model is an update in steps: what ESP and physical volume hold after each.
type model struct {
	*Machine
	base     []byte
	esp, pvs [][]byte
}

func newModel(t *testing.T) *model {
	t.Helper()
	m := &model{Machine: NewMachine(Machine{
		Product: "clipos", Group: "mainvg", Volumes: []string{"core_state", "core_swap"},
		Versions: map[string]Release{}, Loader: map[string][]byte{"EFI/BOOT/BOOTX64.EFI": []byte("loader")},
	})}
	webroot := t.TempDir()
	for _, version := range []string{"5.0.0-alpha.1", "5.0.0-alpha.3"} {
		r, err := release.Build(t.Context(), webroot, release.Options{Version: version, NoErrorCorrection: true})
		if err != nil {
			t.Fatal(err)
		}
		m.Versions[version] = Release{readAll(t, r.Core), readAll(t, r.Efiboot)}
	}
	m.makeESP(t)
	m.makeGroup(t)
	m.makeDisk(t)
	return m
}

// makeESP has the new entry not at all, under its temporary name, and renamed.
func (m *model) makeESP(t *testing.T) {
	t.Helper()
	image := newESP(t, map[string][]byte{
		"EFI/BOOT/BOOTX64.EFI":               []byte("loader"),
		"EFI/Linux/clipos-5.0.0-alpha.1.efi": m.Versions["5.0.0-alpha.1"].Efiboot,
	})
	m.esp = append(m.esp, readAll(t, image))
	copyIn(t, image, "EFI/Linux/clipos-5.0.0-alpha.3.efi.new", m.Versions["5.0.0-alpha.3"].Efiboot)
	m.esp = append(m.esp, readAll(t, image))
	run(t, "mren", "-i", image, "::/EFI/Linux/clipos-5.0.0-alpha.3.efi.new", "clipos-5.0.0-alpha.3.efi")
	m.esp = append(m.esp, readAll(t, image))
}

// makeGroup has the new volume under an old name, renamed, and written.
func (m *model) makeGroup(t *testing.T) {
	t.Helper()
	root, image := newGroup(t, 1)
	m.write(t, root, "core_5.0.0-alpha.1", "5.0.0-alpha.1")
	lvmtest.LVM(t, root, "lvcreate", "--size=4m", "--name=core_5.0.0-alpha.0", "mainvg")
	m.pvs = append(m.pvs, readAll(t, image))
	lvmtest.LVM(t, root, "lvrename", "mainvg", "core_5.0.0-alpha.0", "core_5.0.0-alpha.3")
	m.pvs = append(m.pvs, readAll(t, image))
	m.write(t, root, "core_5.0.0-alpha.3", "5.0.0-alpha.3")
	m.pvs = append(m.pvs, readAll(t, image))
}

func (m *model) write(t *testing.T, root, volume, version string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(root, "dev/mainvg", volume), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(m.Versions[version].Core)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func (m *model) makeDisk(t *testing.T) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	m.base = make([]byte, pvOffset+pvBytes+1<<20)
	copy(m.base[espOffset:], m.esp[0])
	copy(m.base[pvOffset:], m.pvs[0])
	if err := os.WriteFile(image, m.base, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "sgdisk", "--set-alignment=2048", "--new=1:2048:+34M", "--typecode=1:ef00",
		fmt.Sprintf("--new=2:%d:+24M", pvOffset/SectorBytes), "--typecode=2:8e00", image)
	m.base = readAll(t, image)
}

// step is the writes that turn one content into the next, runs of changed
// sectors.
func step(offset int64, from, to []byte) []Request {
	var requests []Request
	for at := int64(0); at < int64(len(from)); at += SectorBytes {
		sector := to[at : at+SectorBytes]
		if bytes.Equal(from[at:at+SectorBytes], sector) {
			continue
		}
		last := len(requests) - 1
		if last >= 0 && requests[last].Sector+requests[last].Sectors == (offset+at)/SectorBytes {
			requests[last].Data = append(requests[last].Data, sector...)
			requests[last].Sectors++
			continue
		}
		requests = append(requests, Request{Sector: (offset + at) / SectorBytes, Sectors: 1, Data: bytes.Clone(sector)})
	}
	return requests
}

func (m *model) stage() []Request     { return step(espOffset, m.esp[0], m.esp[1]) }
func (m *model) publish() []Request   { return step(espOffset, m.esp[1], m.esp[2]) }
func (m *model) rename() []Request    { return step(pvOffset, m.pvs[0], m.pvs[1]) }
func (m *model) overwrite() []Request { return step(pvOffset, m.pvs[1], m.pvs[2]) }

func (m *model) judge(t *testing.T, what string, requests ...[]Request) *Tally {
	t.Helper()
	r := Recording{Base: bytes.NewReader(m.base), Requests: slices.Concat(requests...), Subsets: 300, Seed: 3}
	var tally Tally
	for cut, disk := range r.States() {
		tally.Add(cut, m.Judge(disk))
	}
	t.Logf("%s: %v", what, &tally)
	return &tally
}

// An update in the right order boots the old or the new version whenever the
// power is cut, LVM's commit excepted; every other order is found.
func TestJudge(t *testing.T) {
	m := newModel(t)
	flush := []Request{{Flush: true}}
	renamed := slices.Concat(m.rename(), flush)
	right := m.judge(t, "right order", renamed, m.overwrite(), flush, m.stage(), flush, m.publish(), flush)
	if right.Boots["5.0.0-alpha.1"] == 0 || right.Boots["5.0.0-alpha.3"] == 0 || right.Bad != right.Faults[LostGroup] || right.Bad == 0 {
		t.Error("not what was expected of the right order")
	}
	for name, order := range map[string][][]Request{
		"entry before volume":                 {renamed, m.stage(), flush, m.publish(), flush, m.overwrite(), flush},
		"entry before rename":                 {m.stage(), flush, m.publish(), flush, renamed, m.overwrite(), flush},
		"no flush between volume and publish": {renamed, m.stage(), flush, m.overwrite(), m.publish(), flush},
	} {
		if m.judge(t, name, order...).Faults[TornVolume] == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	if m.judge(t, "no flush of the entry's content", renamed, m.overwrite(), flush, m.stage(), m.publish()).Faults[TornEntry] == 0 {
		t.Error("no flush of the entry's content: not found")
	}
}

// Each part of the machine that is damaged is named.
func TestJudgeFaults(t *testing.T) {
	m := newModel(t)
	whole := slices.Concat(m.rename(), m.overwrite(), m.stage(), m.publish(), []Request{{Flush: true}})
	entry := func(name string) int {
		return espOffset + bytes.Index(m.esp[2], m.Versions[name].Efiboot[:4096])
	}
	for _, c := range []struct {
		name  string
		want  []Fault
		boots string
		at    int
	}{
		{"nothing", nil, "5.0.0-alpha.3", -1},
		{"partition table", []Fault{NoTable}, "", 512},
		{"its entries", []Fault{NoTable}, "", 1024},
		{"boot sector", []Fault{NoESP}, "", espOffset + 510},
		{"boot loader", []Fault{NoLoader}, "5.0.0-alpha.3", espOffset + bytes.Index(m.esp[2], []byte("loader"))},
		{"new entry", []Fault{TornEntry}, "", entry("5.0.0-alpha.3") + 2000},
		{"old entry", []Fault{TornEntry}, "5.0.0-alpha.3", entry("5.0.0-alpha.1") + 2000},
		{"label", []Fault{LostGroup}, "5.0.0-alpha.3", pvOffset + 512 + 40},
		{"header of the metadata", []Fault{LostGroup}, "5.0.0-alpha.3", pvOffset + 4096},
		{"old volume", []Fault{TornVolume}, "5.0.0-alpha.3", pvOffset + 1<<20 + 10000},
		{"new volume", []Fault{TornVolume}, "5.0.0-alpha.3", pvOffset + 1<<20 + 3*4<<20 + 10000},
	} {
		t.Run(c.name, func(t *testing.T) {
			requests := slices.Clone(whole)
			if c.at >= 0 {
				disk := m.after(whole)
				sector := int64(c.at / SectorBytes)
				damaged := flip(disk[sector*SectorBytes:][:SectorBytes], c.at%SectorBytes)
				requests = append(requests, Request{Sector: sector, Sectors: 1, Data: damaged})
			}
			r := Recording{Base: bytes.NewReader(m.base), Requests: requests, Begin: len(requests)}
			for _, disk := range r.States() {
				v := m.Judge(disk)
				if !slices.Equal(v.Faults, c.want) || v.Boots != c.boots {
					t.Errorf("%q boots %q: %v", v.Faults, v.Boots, v.Why)
				}
			}
		})
	}
}

// A repaired ESP counts, not the disk's own.
func TestJudgeRepaired(t *testing.T) {
	m := newModel(t)
	damaged := flip(m.esp[2], 510)
	for _, c := range []struct {
		name          string
		own, repaired []byte
		want          []Fault
		boots         string
	}{
		{"repaired", damaged, m.esp[2], nil, "5.0.0-alpha.3"},
		{"an older one", m.esp[2], m.esp[1], nil, "5.0.0-alpha.1"},
		{"damaged", m.esp[2], damaged, []Fault{NoESP}, ""},
	} {
		requests := slices.Concat(m.rename(), m.overwrite(), step(espOffset, m.esp[0], c.own))
		r := Recording{Base: bytes.NewReader(m.base), Requests: requests, Begin: len(requests)}
		for _, disk := range r.States() {
			if v := m.JudgeRepaired(disk, m.ReadESP(bytes.NewReader(c.repaired))); !slices.Equal(v.Faults, c.want) || v.Boots != c.boots {
				t.Errorf("%s: %q boots %q: %v", c.name, v.Faults, v.Boots, v.Why)
			}
		}
	}
}

// after is the disk's content when all requests have come to it.
func (m *model) after(requests []Request) []byte {
	content := bytes.Clone(m.base)
	for _, r := range requests {
		copy(content[r.Sector*SectorBytes:], r.Data)
	}
	return content
}

// A state that was written to a file is that state.
func TestWriteTo(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(image, bytes.Repeat([]byte{'.'}, 8*SectorBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Recording{Base: open(t, image), Requests: []Request{fill(1, 2, 'a'), {Flush: true}, fill(2, 2, 'b')}, Subsets: 5}
	var kept []*Disk
	for _, disk := range r.States() {
		kept = append(kept, disk.Clone())
	}
	last := kept[len(kept)-1]
	want := make([]byte, 8*SectorBytes)
	if _, err := last.ReadAt(want, 0); err != nil {
		t.Fatal(err)
	}
	if err := last.WriteTo(image); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, image), want) {
		t.Error("not the state")
	}
}
