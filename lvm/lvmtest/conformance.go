// SPDX-License-Identifier: LGPL-2.1-or-later

package lvmtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/clipos/updater/lvm"
)

// Backend is what [lvm.Group] and [lvm.Directory] have in common.
type Backend interface {
	Survey(ctx context.Context) (lvm.Survey, error)
	Open(ctx context.Context, name string) (lvm.Device, error)
	OpenReadOnly(ctx context.Context, name string) (lvm.ReadOnly, error)
	Create(ctx context.Context, name string) error
	Rename(ctx context.Context, from, to string) error
}

// NewSizeBytes is the size of new volumes that the suite asks for.
const NewSizeBytes = 12 << 20

// Conformance tests what the comments in package lvm promise of every
// backend. empty returns one without volumes, with room for three and with
// NewSizeBytes as the size of new ones.
func Conformance(t *testing.T, empty func(t *testing.T) Backend) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(s *suite)
	}{
		{"a new volume is listed", (*suite).testCreate},
		{"volumes are sorted", (*suite).testSorted},
		{"an existing name is not taken", (*suite).testExisting},
		{"a bad name touches nothing", (*suite).testBadNames},
		{"a missing volume is not found", (*suite).testMissing},
		{"renaming keeps the contents", (*suite).testRename},
		{"renaming an open volume", (*suite).testRenameOpen},
		{"one opener at a time", (*suite).testExclusive},
		{"what is in use can be read", (*suite).testReadOnly},
		{"any length and offset", (*suite).testAnyRange},
		{"a volume is never extended", (*suite).testBounds},
		{"reading ends at the end", (*suite).testEnd},
		{"discard keeps what is before", (*suite).testDiscard},
		{"nothing happens once cancelled", (*suite).testCancelled},
		{"closed is closed", (*suite).testClosed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(newSuite(t, empty(t))) })
	}
}

func (s *suite) testCreate() {
	before := s.survey()
	if len(before.Volumes) != 0 || before.NewSizeBytes < NewSizeBytes {
		s.Fatalf("survey of an empty group: %+v", before)
	}
	s.create("core_5.0.0-alpha.1")
	after := s.survey()
	want := lvm.Volume{Name: "core_5.0.0-alpha.1", SizeBytes: before.NewSizeBytes}
	if len(after.Volumes) != 1 || after.Volumes[0] != want {
		s.Errorf("volumes %+v, want %+v", after.Volumes, want)
	}
	if taken := before.FreeBytes - after.FreeBytes; !after.Sparse && taken != before.NewSizeBytes {
		s.Errorf("%d bytes taken for a volume of %d", taken, before.NewSizeBytes)
	}
	if d := s.open("core_5.0.0-alpha.1"); d.SizeBytes() != before.NewSizeBytes {
		s.Errorf("opened it has %d bytes, want %d", d.SizeBytes(), before.NewSizeBytes)
	}
}

func (s *suite) testSorted() {
	for _, name := range []string{"core_state", "core_5.0.0", "core_5.0.0-beta.1"} {
		s.create(name)
	}
	s.wantNames("core_5.0.0", "core_5.0.0-beta.1", "core_state")
}

func (s *suite) testExisting() {
	s.create("one")
	s.create("two")
	content := s.fill("two")
	if err := s.Create(s.Context(), "two"); !errors.Is(err, fs.ErrExist) {
		s.Errorf("Create: %v, want %v", err, fs.ErrExist)
	}
	if err := s.Rename(s.Context(), "one", "two"); !errors.Is(err, fs.ErrExist) {
		s.Errorf("Rename: %v, want %v", err, fs.ErrExist)
	}
	s.wantNames("one", "two")
	s.wantContent("two", content)
}

func (s *suite) testBadNames() {
	s.create("one")
	for _, name := range []string{
		"", ".", "..", "-x", "--yes", "a/b", "../one", "a b", "a\nb", "a\x00b", "ä", "@tag", strings.Repeat("x", 128),
	} {
		if err := s.Create(s.Context(), name); err == nil {
			s.Errorf("Create %q: no error", name)
		}
		if _, err := s.Open(s.Context(), name); err == nil {
			s.Errorf("Open %q: no error", name)
		}
		if _, err := s.OpenReadOnly(s.Context(), name); err == nil {
			s.Errorf("OpenReadOnly %q: no error", name)
		}
		if err := s.Rename(s.Context(), "one", name); err == nil {
			s.Errorf("Rename to %q: no error", name)
		}
		if err := s.Rename(s.Context(), name, "two"); err == nil {
			s.Errorf("Rename from %q: no error", name)
		}
	}
	s.wantNames("one")
}

func (s *suite) testMissing() {
	if _, err := s.Open(s.Context(), "one"); !errors.Is(err, lvm.ErrNotFound) {
		s.Errorf("Open: %v, want %v", err, lvm.ErrNotFound)
	}
	if _, err := s.OpenReadOnly(s.Context(), "one"); !errors.Is(err, lvm.ErrNotFound) {
		s.Errorf("OpenReadOnly: %v, want %v", err, lvm.ErrNotFound)
	}
	if err := s.Rename(s.Context(), "one", "two"); !errors.Is(err, lvm.ErrNotFound) {
		s.Errorf("Rename: %v, want %v", err, lvm.ErrNotFound)
	}
	s.wantNames()
}

func (s *suite) testRename() {
	s.create("one")
	content := s.fill("one")
	if err := s.Rename(s.Context(), "one", "two"); err != nil {
		s.Fatal(err)
	}
	s.wantNames("two")
	s.wantContent("two", content)
}

func (s *suite) testRenameOpen() {
	s.create("one")
	d := s.open("one")
	if err := s.Rename(s.Context(), "one", "two"); err != nil {
		s.Fatal(err)
	}
	content := s.write(d)
	if _, err := s.Open(s.Context(), "two"); !errors.Is(err, lvm.ErrInUse) {
		s.Errorf("Open under the new name: %v, want %v", err, lvm.ErrInUse)
	}
	s.close(d)
	s.wantContent("two", content)
}

func (s *suite) testExclusive() {
	s.create("one")
	for range 2 { // the second time shows that closing gives it free
		d := s.open("one")
		if _, err := s.Open(s.Context(), "one"); !errors.Is(err, lvm.ErrInUse) {
			s.Errorf("second Open: %v, want %v", err, lvm.ErrInUse)
		}
		s.close(d)
	}
}

func (s *suite) testAnyRange() {
	s.create("one")
	d := s.open("one")
	content := s.write(d)
	for _, r := range []struct{ off, length int }{
		{0, 0},
		{0, 1},
		{0, 4096},
		{1, 4096},
		{4095, 2},
		{4096, 4095},
		{8192, 4097},
		{511, 513},
		{12345, 1<<20 + 678},
		{4097, 3<<20 + 5},
		{len(content) - 1, 1},
		{len(content) - 4096, 4096},
		{len(content) - 5000, 5000},
	} {
		for _, shift := range []int{0, 1} { // aligned memory and not
			p := s.random(r.length + shift)[shift:]
			copy(content[r.off:], p)
			if n, err := d.WriteAt(p, int64(r.off)); n != r.length || err != nil {
				s.Fatalf("WriteAt %+v: %d, %v", r, n, err)
			}
			back := lvm.AlignedBuffer(r.length + shift)[shift:]
			if n, err := d.ReadBackAt(back, int64(r.off)); n != r.length || err != nil || !bytes.Equal(back, p) {
				s.Fatalf("ReadBackAt %+v: %d, %v, equal %v", r, n, err, bytes.Equal(back, p))
			}
		}
	}
	s.close(d)
	s.wantContent("one", content)
}

func (s *suite) testBounds() {
	s.create("one")
	d := s.open("one")
	size := d.SizeBytes()
	content := s.write(d)
	for _, off := range []int64{size - 4095, size, size + 4096, -1, -4096, 1<<63 - 4096} {
		if n, err := d.WriteAt(make([]byte, 4096), off); n != 0 || err == nil {
			s.Errorf("WriteAt %d: %d, %v", off, n, err)
		}
	}
	for _, off := range []int64{-1, size + 1} {
		if err := d.Discard(off); err == nil {
			s.Errorf("Discard %d: no error", off)
		}
	}
	s.close(d)
	if v := s.survey().Volumes[0]; v.SizeBytes != size {
		s.Errorf("%d bytes, want %d", v.SizeBytes, size)
	}
	s.wantContent("one", content)
}

func (s *suite) testEnd() {
	s.create("one")
	d := s.open("one")
	content := s.write(d)
	p := lvm.AlignedBuffer(8192)
	n, err := d.ReadBackAt(p, d.SizeBytes()-4096)
	if n != 4096 || !errors.Is(err, io.EOF) || !bytes.Equal(p[:n], content[len(content)-4096:]) {
		s.Errorf("across the end: %d, %v", n, err)
	}
	for _, off := range []int64{d.SizeBytes(), d.SizeBytes() + 4096} {
		if n, err := d.ReadBackAt(p, off); n != 0 || !errors.Is(err, io.EOF) {
			s.Errorf("at %d: %d, %v", off, n, err)
		}
	}
	if n, err := d.ReadBackAt(p, -1); n != 0 || err == nil || errors.Is(err, io.EOF) {
		s.Errorf("before the beginning: %d, %v", n, err)
	}
}

func (s *suite) testDiscard() {
	s.create("one")
	d := s.open("one")
	content := s.write(d)
	size := len(content)
	for _, off := range []int{size, size - 1, size - 4096, size / 2, 8191, 4097, 0} {
		if err := d.Discard(int64(off)); err != nil {
			s.Fatalf("Discard %d: %v", off, err)
		}
		clear(content[off:])
		sure := min((off+4095)&^4095, size)
		if s.survey().Sparse {
			sure = size
		}
		if back := s.readBack(d); !bytes.Equal(back[:sure], content[:sure]) {
			s.Errorf("Discard %d: the first %d bytes are not what they should be", off, sure)
		}
	}
}

func (s *suite) testCancelled() {
	s.create("one")
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, surveyErr := s.Survey(ctx)
	_, openErr := s.Open(ctx, "one")
	_, readErr := s.OpenReadOnly(ctx, "one")
	for what, err := range map[string]error{
		"Survey": surveyErr, "Open": openErr, "OpenReadOnly": readErr, "Create": s.Create(ctx, "two"), "Rename": s.Rename(ctx, "one", "two"),
	} {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v, want %v", what, err, context.Canceled)
		}
	}
	s.wantNames("one")
}

func (s *suite) testClosed() {
	s.create("one")
	d := s.open("one")
	content := s.write(d)
	s.close(d)
	_, writeErr := d.WriteAt(make([]byte, 4096), 0)
	_, readErr := d.ReadBackAt(make([]byte, 4096), 0)
	for what, err := range map[string]error{
		"WriteAt": writeErr, "ReadBackAt": readErr, "Flush": d.Flush(), "Discard": d.Discard(0), "Close": d.Close(),
	} {
		if err == nil {
			s.Errorf("%s after Close: no error", what)
		}
	}
	s.wantContent("one", content)
}
