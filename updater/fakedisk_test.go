// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/lvm"
)

var errPowerCut = errors.New("power cut")

// fakeDisk is a disk with a cache that forgets: what was done since the last
// flush may survive a power cut or not, each piece for itself. The power is
// cut before effect number dies.
type fakeDisk struct {
	// mu: what is written is read back at the same time.
	mu              sync.Mutex
	durable, cached diskState
	// unflushed are the effects that only the cache has, in their order.
	unflushed []effect
	effects   int
	dies      int
	dead      bool
	// diedBefore is the effect that there was no power for.
	diedBefore string
	log        []string
}

type diskState struct {
	volumes map[string][]byte
	files   map[string][]byte
	// variables has the loader's default; the firmware keeps it, no cache does.
	variables map[string]string
}

// effect changes a state; both the cached and, at the latest with the next
// flush of what it belongs to, the durable one.
type effect struct {
	name  string
	where string // "esp", or a volume that is flushed by itself
	apply func(diskState)
}

func (s diskState) clone() diskState {
	c := diskState{map[string][]byte{}, map[string][]byte{}, map[string]string{}}
	for n, v := range s.volumes {
		c.volumes[n] = slices.Clone(v)
	}
	maps.Copy(c.files, s.files)
	maps.Copy(c.variables, s.variables)
	return c
}

func newFakeDisk(state diskState) *fakeDisk {
	return &fakeDisk{durable: state.clone(), cached: state.clone(), dies: -1}
}

// step counts an effect and tells whether there is still power for it.
func (d *fakeDisk) step(name string) error {
	if !d.dead && d.effects == d.dies {
		d.dead, d.diedBefore = true, name
	}
	if d.dead {
		return fmt.Errorf("%w before %s", errPowerCut, name)
	}
	d.effects++
	d.log = append(d.log, name)
	return nil
}

func (d *fakeDisk) do(where, name string, apply func(diskState)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(name); err != nil {
		return err
	}
	apply(d.cached)
	d.unflushed = append(d.unflushed, effect{name, where, apply})
	return nil
}

// flush makes durable what was done at a place. Metadata of the group is
// everybody's: a change of it is flushed by the tool that makes it.
func (d *fakeDisk) flush(where string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("flush " + where); err != nil {
		return err
	}
	var kept []effect
	for _, e := range d.unflushed {
		if e.where == where {
			e.apply(d.durable)
		} else {
			kept = append(kept, e)
		}
	}
	d.unflushed = kept
	return nil
}

// reboot brings the power back. Of what was not flushed, survives decides
// what is on the disk.
func (d *fakeDisk) reboot(survives func(i int) bool) *fakeDisk {
	state := d.durable.clone()
	for i, e := range d.unflushed {
		if survives(i) {
			e.apply(state)
		}
	}
	return newFakeDisk(state)
}

// Ways in which a cache may forget.
func survivals(seed uint64) map[string]func(int) bool {
	r := rand.New(rand.NewPCG(seed, 1))
	return map[string]func(int) bool{
		"nothing survives":    func(int) bool { return false },
		"everything survives": func(int) bool { return true },
		"some survives":       func(int) bool { return r.IntN(2) == 0 },
		"the last survives":   func(i int) bool { return i > 0 },
	}
}

// fakeVolumes implements Volumes.
type fakeVolumes struct{ *fakeDisk }

const fakeVolumeBytes = 1 << 20

func (v fakeVolumes) Survey(context.Context) (lvm.Survey, error) {
	if v.dead {
		return lvm.Survey{}, errPowerCut
	}
	s := lvm.Survey{FreeBytes: fakeVolumeBytes, NewSizeBytes: fakeVolumeBytes}
	for _, name := range slices.Sorted(maps.Keys(v.cached.volumes)) {
		s.Volumes = append(s.Volumes, lvm.Volume{Name: name, SizeBytes: int64(len(v.cached.volumes[name]))})
	}
	return s, nil
}

func (v fakeVolumes) Create(_ context.Context, name string) error {
	err := v.do("group", "create "+name, func(s diskState) { s.volumes[name] = bytes.Repeat([]byte("?"), fakeVolumeBytes) })
	if err != nil {
		return err
	}
	return v.flush("group")
}

func (v fakeVolumes) Rename(_ context.Context, from, to string) error {
	if err := v.do("group", "rename "+from, func(s diskState) { s.volumes[to] = s.volumes[from]; delete(s.volumes, from) }); err != nil {
		return err
	}
	return v.flush("group")
}

func (v fakeVolumes) Warnings() []string { return nil }

// Open returns a device that finds its volume by identity, as a descriptor
// does: it survives a rename.
func (v fakeVolumes) Open(_ context.Context, name string) (lvm.Device, error) {
	if v.dead {
		return nil, errPowerCut
	}
	if v.cached.volumes[name] == nil {
		return nil, lvm.ErrNotFound
	}
	return &fakeDevice{v.fakeDisk, name}, nil
}

// OpenReadOnly opens what is there at that moment.
func (v fakeVolumes) OpenReadOnly(_ context.Context, name string) (lvm.ReadOnly, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.dead:
		return nil, errPowerCut
	case v.cached.volumes[name] == nil:
		return nil, lvm.ErrNotFound
	}
	return fakeReadOnly{bytes.NewReader(v.cached.volumes[name])}, nil
}

type fakeReadOnly struct{ *bytes.Reader }

func (r fakeReadOnly) SizeBytes() int64 { return r.Size() }

func (fakeReadOnly) Close() error { return nil }

type fakeDevice struct {
	disk *fakeDisk
	name string
}

// current follows renames: a disk holds a volume under one name only.
func (d *fakeDevice) current(s diskState) []byte {
	if v, ok := s.volumes[d.name]; ok {
		return v
	}
	for _, l := range d.disk.log {
		if l == "rename "+d.name {
			return s.volumes["core_5.0.0-alpha.3"]
		}
	}
	return nil
}

func (d *fakeDevice) SizeBytes() int64 { return fakeVolumeBytes }

// WriteAt tears: every 64 KiB is an effect of its own.
func (d *fakeDevice) WriteAt(p []byte, off int64) (int, error) {
	done := 0
	for chunk := range slices.Chunk(p, 64<<10) {
		at, data := off+int64(done), slices.Clone(chunk)
		err := d.disk.do("volume", fmt.Sprintf("write %d bytes at %d", len(data), at), func(s diskState) { copy(d.current(s)[at:], data) })
		if err != nil {
			return done, err
		}
		done += len(chunk)
	}
	return done, nil
}

func (d *fakeDevice) Flush() error { return d.disk.flush("volume") }

func (d *fakeDevice) Discard(off int64) error {
	return d.disk.do("volume", "discard", func(s diskState) { clear(d.current(s)[off:]) })
}

func (d *fakeDevice) ReadBackAt(p []byte, off int64) (int, error) {
	d.disk.mu.Lock()
	defer d.disk.mu.Unlock()
	if d.disk.dead {
		return 0, errPowerCut
	}
	return copy(p, d.current(d.disk.cached)[off:]), nil
}

func (d *fakeDevice) Close() error { return nil }

// fakeEntries implements BootEntries.
type fakeEntries struct{ *fakeDisk }

func (e fakeEntries) Survey() (efi.Survey, error) {
	if e.dead {
		return efi.Survey{}, errPowerCut
	}
	s := efi.Survey{FreeBytes: 1 << 30, BlockBytes: 512, Default: e.cached.variables["default"], DefaultWritable: true}
	for _, file := range slices.Sorted(maps.Keys(e.cached.files)) {
		data := e.cached.files[file]
		s.Entries = append(s.Entries, efi.NewEntry("clipos", file, bytes.NewReader(data), int64(len(data))))
	}
	return s, nil
}

func (e fakeEntries) Remove(file string) error {
	if err := e.do("esp", "remove "+file, func(s diskState) { delete(s.files, file) }); err != nil {
		return err
	}
	return e.flush("esp")
}

func (e fakeEntries) Stage(_ context.Context, file string, image io.Reader) (io.ReadCloser, error) {
	data, err := io.ReadAll(image)
	if err != nil {
		return nil, err
	}
	name := file + ".new"
	for _, step := range []struct {
		name string
		data []byte
	}{{"create ", nil}, {"write half of ", data[:len(data)/2]}, {"write ", data}} {
		if err := e.do("esp", step.name+name, func(s diskState) { s.files[name] = step.data }); err != nil {
			return nil, err
		}
	}
	if err := e.flush("esp"); err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(e.cached.files[name])), nil
}

func (e fakeEntries) Publish(file string) error {
	err := e.do("esp", "publish "+file, func(s diskState) {
		if data, ok := s.files[file+".new"]; ok {
			s.files[file] = data
			delete(s.files, file+".new")
		}
	})
	if err != nil {
		return err
	}
	return e.flush("esp")
}

func (e fakeEntries) SetDefault(value string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.step("set default " + value); err != nil {
		return err
	}
	e.cached.variables["default"], e.durable.variables["default"] = value, value
	return nil
}

func (e fakeEntries) Bless(file string) (string, error) {
	return e.recount(file, func(n *efi.Name) { n.Counted = false })
}

func (e fakeEntries) Condemn(file string) (string, error) {
	return e.recount(file, func(n *efi.Name) { n.Counted, n.TriesLeft, n.TriesDone = true, 0, max(1, n.TriesDone) })
}

func (e fakeEntries) recount(file string, change func(*efi.Name)) (string, error) {
	n, _ := efi.ParseName("clipos", file)
	was := n
	if change(&n); n == was {
		return file, nil
	}
	to := n.String()
	err := e.do("esp", "rename "+file, func(s diskState) {
		if data, ok := s.files[file]; ok {
			s.files[to] = data
			delete(s.files, file)
		}
	})
	if err != nil {
		return "", err
	}
	return to, e.flush("esp")
}

// bootable returns the versions that have an entry under a final name.
func (s diskState) bootable() []string {
	var list []string
	for file := range s.files {
		if n, ok := efi.ParseName("clipos", file); ok && !n.Temporary {
			list = append(list, n.Version)
		}
	}
	slices.Sort(list)
	return list
}

func (s diskState) String() string {
	return "entries " + strings.Join(slices.Sorted(maps.Keys(s.files)), " ") + ", volumes " + strings.Join(slices.Sorted(maps.Keys(s.volumes)), " ")
}
