// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"github.com/clipos/updater/efi"
)

// Machine is what is known of the machine whose disk is judged.
type Machine struct {
	// Product is the prefix of boot entries, Group the volume group.
	Product, Group string
	// Versions are the releases that may be on the disk.
	Versions map[string]Release
	// Loader are the files of the ESP that no update may change, by path.
	Loader map[string][]byte
	// Volumes are those that every state must have, beside those of entries.
	Volumes []string

	seed  maphash.Seed
	whole map[wholeKey]bool
	esps  map[wholeKey]*ESP
}

// Release is what an entry and its volume hold when they are whole.
type Release struct{ Core, Efiboot []byte }

type wholeKey struct {
	origin   *Recording
	version  string
	offset   int64
	identity uint64
}

// Fault is what is wrong with a state.
type Fault string

// What can be wrong. A machine with any of them does not boot, or may not.
const (
	// NoTable, NoESP, NoLoader: the partition table, the file system or the
	// boot loader is damaged.
	NoTable  Fault = "partition table"
	NoESP    Fault = "ESP"
	NoLoader Fault = "boot loader"
	// NoEntry: there is nothing to boot.
	NoEntry Fault = "no boot entry"
	// TornEntry: a boot entry is not what was published.
	TornEntry Fault = "torn boot entry"
	// LostGroup: LVM does not find the volume group.
	LostGroup Fault = "volume group lost"
	// LostVolume: a volume that every state must have is missing.
	LostVolume Fault = "volume lost"
	// TornVolume: a boot entry's volume is missing or not what was published.
	TornVolume Fault = "boot entry without its volume"
)

// Verdict is what a state is worth.
type Verdict struct {
	// Boots is the version that the boot loader takes, "" when there is none.
	Boots string
	// Faults are empty when the machine boots Boots and every other entry
	// leads to a whole system too.
	Faults []Fault
	// Why explains the first of them.
	Why error
	// ESP differs between two states of a recording whose EFI system partitions
	// differ; it may differ otherwise too.
	ESP uint64
}

// NewMachine returns m ready to judge.
func NewMachine(m Machine) *Machine {
	m.seed, m.whole, m.esps = maphash.MakeSeed(), map[wholeKey]bool{}, map[wholeKey]*ESP{}
	return &m
}

func (v *Verdict) fault(f Fault, why error) {
	if v.Why == nil {
		v.Why = fmt.Errorf("%s: %w", f, why)
	}
	if !slices.Contains(v.Faults, f) {
		v.Faults = append(v.Faults, f)
	}
}

// Judge tells what a machine with this disk would boot: firmware, boot loader,
// initramfs, one after the other.
func (m *Machine) Judge(d *Disk) Verdict {
	return m.judge(d, func(esp partition, identity uint64) *ESP { return m.judgeESP(d, esp, identity) })
}

// JudgeRepaired is Judge for the disk with another ESP, such as fsck.fat makes
// of it.
func (m *Machine) JudgeRepaired(d *Disk, repaired *ESP) Verdict {
	return m.judge(d, func(partition, uint64) *ESP { return repaired })
}

func (m *Machine) judge(d *Disk, judgeESP func(esp partition, identity uint64) *ESP) (v Verdict) {
	partitions, err := readGPT(d)
	if err != nil {
		v.fault(NoTable, err)
		return v
	}
	esp, err := find(partitions, typeESP)
	pv, pvErr := find(partitions, typeLVM)
	if err = errors.Join(err, pvErr); err != nil {
		v.fault(NoTable, err)
		return v
	}
	v.ESP = d.identity(m.seed, esp.offset(), esp.bytes())
	known := judgeESP(esp, v.ESP)
	v.Faults, v.Why = slices.Clone(known.verdict.Faults), known.verdict.Why
	m.judgeVolumes(d, pv, known.entries, &v)
	return v
}

// entry is a boot entry that the loader lists; whole tells that it is what was
// published.
type entry struct {
	efi.Entry
	whole bool
}

// ESP is what was found in an EFI system partition, with the entries in the
// loader's order.
type ESP struct {
	verdict Verdict
	entries []entry
}

// judgeESP remembers its answers: most writes are elsewhere.
func (m *Machine) judgeESP(d *Disk, esp partition, identity uint64) *ESP {
	key := wholeKey{d.origin, "", esp.offset(), identity}
	found, known := m.esps[key]
	if !known {
		found = m.ReadESP(d.Part(esp.offset(), esp.bytes()))
		m.esps[key] = found
	}
	return found
}

// ReadESP judges an EFI system partition by itself.
func (m *Machine) ReadESP(part io.ReaderAt) *ESP {
	esp := &ESP{}
	f, err := openFAT(part)
	if err != nil {
		esp.verdict.fault(NoESP, err)
		return esp
	}
	for path, want := range m.Loader {
		got, err := f.readPath(path)
		if err == nil && !bytes.Equal(got, want) {
			err = errors.New("changed")
		}
		if err != nil {
			esp.verdict.fault(NoLoader, fmt.Errorf("%s: %w", path, err))
		}
	}
	esp.entries, err = m.readEntries(f)
	if err != nil {
		esp.verdict.fault(NoESP, err)
	}
	if len(esp.entries) == 0 {
		esp.verdict.fault(NoEntry, errors.New("nothing is listed"))
	}
	return esp
}

func (f *fat) readPath(path string) ([]byte, error) {
	parts := strings.Split(path, "/")
	files, err := f.folder(parts[:len(parts)-1]...)
	if err != nil {
		return nil, err
	}
	file, found := lookUp(files, parts[len(parts)-1])
	if !found {
		return nil, errors.New("missing")
	}
	return f.read(file)
}

// readEntries reads what the boot loader would list, whatever the file says.
func (m *Machine) readEntries(f *fat) ([]entry, error) {
	files, err := f.folder("EFI", "Linux")
	if err != nil {
		return nil, err
	}
	whole := map[string]bool{}
	var sorted []efi.Entry
	for _, file := range files {
		if file.folder || !strings.HasSuffix(strings.ToLower(file.name), ".efi") {
			continue
		}
		if file.sizeBytes == 0 {
			continue // systemd-boot lists what has a section .osrel
		}
		content, err := f.read(file)
		if errors.Is(err, errFAT) {
			content = nil // listed all the same, and nothing that starts
		} else if err != nil {
			return nil, err
		}
		e := efi.NewEntry(m.Product, file.name, bytes.NewReader(content), int64(len(content)))
		release, known := m.Versions[e.Name.Version]
		whole[file.name] = e.Ours && e.Bootable && known && bytes.Equal(content, release.Efiboot)
		sorted = append(sorted, e)
	}
	efi.Sort(sorted)
	var entries []entry
	for _, e := range sorted {
		entries = append(entries, entry{e, whole[e.File]})
	}
	return entries, nil
}

// judgeVolumes asks of every entry that it and its volume are whole.
func (m *Machine) judgeVolumes(d *Disk, pv partition, entries []entry, v *Verdict) {
	group, err := ReadGroup(d.Part(pv.offset(), pv.bytes()))
	if err == nil && group.Name != m.Group {
		err = fmt.Errorf("the group is %s", group.Name)
	}
	if err != nil {
		v.fault(LostGroup, err)
	}
	for _, name := range m.Volumes {
		if _, there := group.Volumes[name]; err == nil && !there {
			v.fault(LostVolume, errors.New(name))
		}
	}
	for i, e := range entries {
		if !e.whole {
			v.fault(TornEntry, fmt.Errorf("%s, %d bytes", e.File, e.SizeBytes))
			continue
		}
		if i == 0 {
			v.Boots = e.Name.Version
		}
		if err == nil && !m.isWhole(d, pv, e.Name.Version, group.Volumes["core_"+e.Name.Version]) {
			v.fault(TornVolume, errors.New(e.File))
		}
	}
}

// isWhole compares a volume with what was published, and remembers the answer.
func (m *Machine) isWhole(d *Disk, pv partition, version string, extents []Extent) bool {
	want := m.Versions[version].Core
	for _, e := range extents {
		length := min(e.Bytes, int64(len(want)))
		if length == 0 {
			break
		}
		if !m.isSame(d, version, pv.offset()+e.Offset, want[:length]) {
			return false
		}
		want = want[length:]
	}
	return len(want) == 0
}

func (m *Machine) isSame(d *Disk, version string, offset int64, want []byte) bool {
	key := wholeKey{d.origin, version, offset, d.identity(m.seed, offset, int64(len(want)))}
	same, known := m.whole[key]
	if !known {
		same = compare(d, offset, want) == nil
		m.whole[key] = same
	}
	return same
}

var errDiffers = errors.New("differs")

// compare ends at the first difference.
func compare(d *Disk, offset int64, want []byte) error {
	buffer := make([]byte, 1<<20)
	for len(want) > 0 {
		n := min(len(want), len(buffer))
		if _, err := d.ReadAt(buffer[:n], offset); err != nil {
			return err
		}
		if !bytes.Equal(buffer[:n], want[:n]) {
			return errDiffers
		}
		want, offset = want[n:], offset+int64(n)
	}
	return nil
}
