// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var errPowerCut = errors.New("power cut")

// cutDisk is a folder whose power fails before the change with number left. It
// knows what is not flushed then, and how the disk is without it.
type cutDisk struct {
	t    *testing.T
	dir  string
	left int
	// What a cut now would undo: of the folder, and of files' contents by name.
	folder, contents []func()
	// On FAT a name that was flushed before its file leads to an empty one:
	// empties is what does that, emptied tells that the disk has it so.
	empties func()
	emptied bool
	flushes func() // what the change that runs makes durable
}

func (d *cutDisk) path(file string) string { return filepath.Join(d.dir, file) }

// before is the seam of Partition: the change before this one is done.
func (d *cutDisk) before(what, file string) error {
	d.settle()
	if d.left == 0 {
		return errPowerCut
	}
	d.left--
	switch what {
	case "create":
		d.folder = append(d.folder, func() { d.must(os.Remove(d.path(file))) })
	case "write":
		d.contents = append(d.contents, func() { d.must(os.Truncate(d.path(file), 0)) })
	case "unlink":
		content := readFile(d.t, d.path(file))
		d.folder = append(d.folder, func() { writeFile(d.t, d.path(file), content) })
	case "rename":
		before := snapshot(d.t, d.dir)
		final := func() string { // the name that was not there before
			for name := range snapshot(d.t, d.dir) {
				if _, found := before[name]; !found {
					return name
				}
			}
			d.t.Fatalf("%s was not renamed", file)
			return ""
		}
		d.folder = append(d.folder, func() { d.must(os.Rename(d.path(final()), d.path(file))) })
		if len(d.contents) > 0 { // the name changes, what is in the file does not become durable
			d.contents = append(d.contents, func() { d.must(os.Truncate(d.path(final()), 0)) })
		}
		d.empties = func() { d.must(os.Truncate(d.path(final()), 0)) }
	case "flush":
		d.flushes = func() { d.contents, d.empties, d.emptied = nil, nil, false }
	case "flush folder":
		d.flushes = func() { d.folder, d.emptied = nil, d.empties != nil }
	case "flush file system":
		// It writes what is left, and asks the drive for no flush: durable is
		// nothing because of it.
	default:
		d.t.Errorf("unknown change %q: a power cut there is not tested", what)
	}
	return nil
}

func (d *cutDisk) settle() {
	if d.flushes != nil {
		d.flushes()
		d.flushes = nil
	}
}

func (d *cutDisk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// lose undoes what was not flushed, in one of the orders that a disk may have
// written it.
func (d *cutDisk) lose(how string) {
	d.settle()
	if strings.Contains(how, "contents") && len(d.contents) > 0 {
		d.contents[len(d.contents)-1]()
	}
	if d.emptied {
		d.empties()
	}
	if strings.Contains(how, "folder") {
		slices.Reverse(d.folder)
		for _, undo := range d.folder {
			undo()
		}
	}
}

const (
	oldEntry = "clipos-5.0.0-alpha.0.efi"
	running  = "clipos-5.0.0-alpha.1.efi"
	newEntry = "clipos-5.0.0-alpha.3.efi"
)

// swap is what an update does to the folder; removed tells that the old volume
// may have been overwritten.
func swap(t *testing.T, p *Partition, image []byte) (removed bool, err error) {
	t.Helper()
	if err := p.Remove(oldEntry); err != nil {
		return false, err
	}
	r, err := p.Stage(t.Context(), newEntry, bytes.NewReader(image))
	if err != nil {
		return true, err
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, image) {
		t.Errorf("read back %d bytes, %v", len(got), err)
	}
	return true, p.Publish(newEntry)
}

// Whatever instant the power is cut at, and whatever of the changes that were
// not flushed the disk has lost: nothing foreign is touched, every final name
// is whole, what was reported as done is done, and a second run finishes.
func TestPowerCut(t *testing.T) {
	image, old := buildUKI(t, osRelease("5.0.0-alpha.3")), buildUKI(t, osRelease("5.0.0-alpha.0"))
	leftOvers := map[string][]byte{"nothing left over": nil, "a temporary left over": half(image)}
	for name, leftOver := range leftOvers {
		for _, lost := range []string{"nothing", "contents", "folder", "contents and folder"} {
			t.Run(name+", lost "+lost, func(t *testing.T) {
				changes := 0
				for ; ; changes++ {
					if !cutAt(t, changes, lost, old, image, leftOver) {
						break
					}
				}
				if changes < 10 {
					t.Errorf("only %d changes", changes)
				}
			})
		}
	}
}

// cutAt runs an update that dies before a change, and tells whether it did.
func cutAt(t *testing.T, change int, lost string, old, image, leftOver []byte) bool {
	t.Helper()
	dir := t.TempDir()
	foreign(t, dir)
	writeFile(t, filepath.Join(dir, oldEntry), old)
	others := without(snapshot(t, dir), oldEntry)
	if leftOver != nil {
		writeFile(t, filepath.Join(dir, newEntry+TemporarySuffix), leftOver)
	}

	p := New(dir, product, Options{})
	disk := &cutDisk{t: t, dir: dir, left: change}
	p.before = disk.before
	removed, err := swap(t, p, image)
	if err != nil && !errors.Is(err, errPowerCut) {
		t.Fatalf("change %d: %v", change, err)
	}
	disk.lose(lost)
	at := fmt.Sprintf("power cut before change %d", change)
	checkCut(t, at, dir, others, old, image, removed, err == nil)

	p = New(dir, product, Options{})
	if content, found := snapshot(t, dir)[newEntry]; !found || content == "file " {
		if err := p.Remove(newEntry); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		if _, err := swap(t, p, image); err != nil {
			t.Fatalf("%s: second run: %v", at, err)
		}
	}
	wantSnapshot(t, dir, with(others, newEntry, image))
	return err != nil
}

func checkCut(t *testing.T, at, dir string, others map[string]string, old, image []byte, removed, finished bool) {
	t.Helper()
	s := survey(t, New(dir, product, Options{}))
	now := snapshot(t, dir)
	_, oldThere := now[oldEntry]
	_, newThere := now[newEntry]
	switch {
	case removed && oldThere:
		t.Errorf("%s: Remove was done, and the old entry is back", at)
	case oldThere && now[oldEntry] != "file "+string(old):
		t.Errorf("%s: the old entry is damaged", at)
	case newThere && now[newEntry] != "file "+string(image) && (finished || now[newEntry] != "file "):
		t.Errorf("%s: the new entry is neither whole nor empty", at)
	case newThere && oldThere:
		t.Errorf("%s: both are there", at)
	case finished && !newThere:
		t.Errorf("%s: Publish was done, and there is no new entry", at)
	}
	for _, e := range s.Entries {
		if e.Ours && !e.Name.Temporary && e.File != running && e.Damaged != nil && e.SizeBytes > 0 {
			t.Errorf("%s: %s: %v", at, e.File, e.Damaged)
		}
		if e.File == newEntry+TemporarySuffix && now[e.File] != "file "+string(image) && e.Damaged == nil {
			t.Errorf("%s: half of %s passes for whole", at, e.File)
		}
	}
	for _, name := range []string{oldEntry, oldEntry + TemporarySuffix, newEntry, newEntry + TemporarySuffix} {
		delete(now, name)
	}
	for name, content := range others {
		if now[name] != content {
			t.Errorf("%s: %s is not as before", at, name)
		}
	}
	if len(now) != len(others) {
		t.Errorf("%s: %d files instead of %d", at, len(now), len(others))
	}
}
