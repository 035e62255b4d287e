// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"context"
	"io"
	"maps"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/lvm"
)

// faultyVolumes changes what a fake volume group says or does.
type faultyVolumes struct {
	fakeVolumes
	survey func(*lvm.Survey)
	device func(lvm.Device) lvm.Device
	fail   error
}

func (v faultyVolumes) Survey(ctx context.Context) (lvm.Survey, error) {
	s, err := v.fakeVolumes.Survey(ctx)
	if v.survey != nil {
		v.survey(&s)
	}
	return s, err
}

func (v faultyVolumes) Open(ctx context.Context, name string) (lvm.Device, error) {
	if v.fail != nil {
		return nil, v.fail
	}
	d, err := v.fakeVolumes.Open(ctx, name)
	if err == nil && v.device != nil {
		d = v.device(d)
	}
	return d, err
}

// faultyEntries changes what a fake ESP says or does.
type faultyEntries struct {
	fakeEntries
	survey func(*efi.Survey)
	staged func([]byte) []byte
	fail   map[string]error // by method
}

func (e faultyEntries) Survey() (efi.Survey, error) {
	s, err := e.fakeEntries.Survey()
	if e.survey != nil {
		e.survey(&s)
	}
	return s, err
}

func (e faultyEntries) Stage(ctx context.Context, file string, image io.Reader) (io.ReadCloser, error) {
	if err := e.fail["Stage"]; err != nil {
		return nil, err
	}
	r, err := e.fakeEntries.Stage(ctx, file, image)
	if err != nil || e.staged == nil {
		return r, err
	}
	data, err := io.ReadAll(r)
	return io.NopCloser(bytes.NewReader(e.staged(data))), err
}

func (e faultyEntries) Publish(file string) error {
	if err := e.fail["Publish"]; err != nil {
		return err
	}
	return e.fakeEntries.Publish(file)
}

func (e faultyEntries) SetDefault(value string) error {
	if err := e.fail["SetDefault"]; err != nil {
		return err
	}
	return e.fakeEntries.SetDefault(value)
}

func (e faultyEntries) Condemn(file string) (string, error) {
	if err := e.fail["Condemn"]; err != nil {
		return "", err
	}
	return e.fakeEntries.Condemn(file)
}

// faultyDevice fails at one of its methods, or returns other bytes than are there.
type faultyDevice struct {
	lvm.Device
	flush, discard, write error
	read                  func(p []byte, off int64)
	sizeBytes             int64
}

func (d faultyDevice) Flush() error {
	if d.flush != nil {
		return d.flush
	}
	return d.Device.Flush()
}

func (d faultyDevice) Discard(off int64) error {
	if d.discard != nil {
		return d.discard
	}
	return d.Device.Discard(off)
}

func (d faultyDevice) WriteAt(p []byte, off int64) (int, error) {
	if d.write != nil {
		return 0, d.write
	}
	return d.Device.WriteAt(p, off)
}

func (d faultyDevice) ReadBackAt(p []byte, off int64) (int, error) {
	n, err := d.Device.ReadBackAt(p, off)
	if d.read != nil {
		d.read(p[:n], off)
	}
	return n, err
}

func (d faultyDevice) SizeBytes() int64 {
	if d.sizeBytes > 0 {
		return d.sizeBytes
	}
	return d.Device.SizeBytes()
}

func device(f faultyDevice) func(lvm.Device) lvm.Device {
	return func(d lvm.Device) lvm.Device { f.Device = d; return f }
}

// What destinations do wrong: refused before anything is changed, or, once
// the fallback is being overwritten, without ever making the new system
// bootable.
func TestFaults(t *testing.T) {
	sector := &unreadable{}
	tests := map[string]struct {
		volumes faultyVolumes
		entries faultyEntries
		others  []string
		want    error
		// changed: the fallback is gone, because it was being overwritten.
		changed bool
	}{
		"group full":            {volumes: faultyVolumes{survey: func(s *lvm.Survey) { s.FreeBytes = s.NewSizeBytes - 1 }}, want: ErrNoSpaceVolumeGroup},
		"new volume too small":  {volumes: faultyVolumes{survey: func(s *lvm.Survey) { s.NewSizeBytes = 1000 }}, want: ErrVolumeTooSmall},
		"ESP full":              {entries: faultyEntries{survey: func(s *efi.Survey) { s.FreeBytes = 1000 }}, want: ErrNoSpaceESP},
		"spare volume held":     {others: []string{"5.0.0-alpha.0"}, volumes: faultyVolumes{fail: lvm.ErrInUse}, want: ErrVolumeInUse},
		"spare volume busy":     {others: []string{"5.0.0-alpha.0"}, volumes: faultyVolumes{survey: inUse("core_5.0.0-alpha.0")}, want: ErrVolumeInUse},
		"device smaller":        {others: []string{"5.0.0-alpha.0"}, volumes: faultyVolumes{device: device(faultyDevice{sizeBytes: 1000})}, want: ErrVolumeTooSmall},
		"write fails":           {others: []string{"5.0.0-alpha.0"}, changed: true, volumes: faultyVolumes{device: device(faultyDevice{write: unix.EIO})}, want: ErrWriteFailed},
		"flush fails":           {others: []string{"5.0.0-alpha.0"}, changed: true, volumes: faultyVolumes{device: device(faultyDevice{flush: unix.EIO})}, want: ErrWriteFailed},
		"discard fails":         {others: []string{"5.0.0-alpha.0"}, changed: true, volumes: faultyVolumes{device: device(faultyDevice{discard: unix.EIO})}, want: ErrWriteFailed},
		"first byte differs":    {others: []string{"5.0.0-alpha.0"}, changed: true, volumes: faultyVolumes{device: device(faultyDevice{read: flipAt(0)})}, want: ErrReadBackMismatch},
		"a byte in it differs":  {others: []string{"5.0.0-alpha.0"}, changed: true, volumes: faultyVolumes{device: device(faultyDevice{read: flipAt(70000)})}, want: ErrReadBackMismatch},
		"volume cannot be read": {others: []string{"5.0.0-alpha.0"}, changed: true, volumes: faultyVolumes{device: sector.device}, want: ErrWriteFailed},
		"EFI binary differs":    {others: []string{"5.0.0-alpha.0"}, changed: true, entries: faultyEntries{staged: flipBit(-1)}, want: ErrReadBackMismatch},
		"EFI binary is shorter": {others: []string{"5.0.0-alpha.0"}, changed: true, entries: faultyEntries{staged: func(d []byte) []byte { return d[1:] }}, want: ErrReadBackMismatch},
		"ESP full after all":    {others: []string{"5.0.0-alpha.0"}, changed: true, entries: faultyEntries{fail: map[string]error{"Stage": efi.ErrNoSpace}}, want: ErrNoSpaceESP},
		"rename on ESP fails":   {others: []string{"5.0.0-alpha.0"}, changed: true, entries: faultyEntries{fail: map[string]error{"Publish": unix.EIO}}, want: ErrWriteFailed},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			disk := newFakeDisk(s.fakeState(append(c.others, "5.0.0-alpha.1")...))
			before := disk.cached.clone()
			c.volumes.fakeVolumes, c.entries.fakeEntries = fakeVolumes{disk}, fakeEntries{disk}
			u := s.openWith(s.load(), c.volumes, c.entries)
			_, err := u.Update(t.Context(), Request{})
			u.Close()
			isOnly(t, err, c.want)
			s.afterFault(before, disk.cached, c.changed)
			// The fault mended, the next run finishes.
			if err := s.updateFake(disk); err != nil {
				t.Errorf("the next run: %v", err)
			}
			if err := s.allWhole(disk.cached); err != nil {
				t.Error(err)
			}
		})
	}
}

func (s *system) afterFault(before, after diskState, changed bool) {
	s.t.Helper()
	sameBytes := func(a, b map[string][]byte) bool { return maps.EqualFunc(a, b, bytes.Equal) }
	if same := sameBytes(before.files, after.files) && sameBytes(before.volumes, after.volumes); same == changed {
		s.t.Errorf("disk changed: %v, want %v: %v", !same, changed, after)
	}
	if got := strings.Join(after.bootable(), " "); changed && got != "5.0.0-alpha.1" {
		s.t.Errorf("bootable: %s", got)
	}
	for file := range after.files {
		if strings.HasSuffix(file, ".new") {
			s.t.Errorf("%s is left over", file)
		}
	}
	if err := s.allWhole(after); err != nil {
		s.t.Error(err)
	}
	if s.hasMarker() {
		s.t.Error("there is a marker")
	}
}

func inUse(volume string) func(*lvm.Survey) {
	return func(s *lvm.Survey) {
		for i := range s.Volumes {
			if s.Volumes[i].Name == volume {
				s.Volumes[i].InUse = true
			}
		}
	}
}

func notWritable(s *efi.Survey) { s.DefaultWritable = false }

func flipAt(at int64) func(p []byte, off int64) {
	return func(p []byte, off int64) {
		if off <= at && at < off+int64(len(p)) {
			p[at-off] ^= 1
		}
	}
}

type unreadable struct{ lvm.Device }

func (u *unreadable) device(d lvm.Device) lvm.Device { return &unreadable{d} }

func (u *unreadable) ReadBackAt([]byte, int64) (int, error) { return 0, unix.EIO }

// The tail of the old image does not survive behind the new one.
func TestTailIsDiscarded(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.has("5.0.0-alpha.0")
	s.write("/volumes/core_5.0.0-alpha.0", strings.Repeat("secret", (2<<20)/6))
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
	s.isWhole("5.0.0-alpha.3", "clipos-5.0.0-alpha.3.efi") // also: zeros behind it
}

// What runs is protected by more than its name: the entry that the loader
// says it started, and the entry of a system whose volume is not seen.
func TestRunningSystemIsProtected(t *testing.T) {
	t.Run("its volume is not in the group", func(t *testing.T) {
		s := newSystem(t, "5.0.0-alpha.1")
		state := s.fakeState("5.0.0-alpha.0", "5.0.0-alpha.1")
		delete(state.volumes, "core_5.0.0-alpha.1")
		disk := newFakeDisk(state)
		if err := s.updateFake(disk); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(disk.cached.bootable(), " "); got != "5.0.0-alpha.1 5.0.0-alpha.3" {
			t.Errorf("bootable: %s", got)
		}
	})
	t.Run("the loader started another version", func(t *testing.T) {
		s := newSystem(t, "5.0.0-alpha.1")
		disk := newFakeDisk(s.fakeState("5.0.0-alpha.0", "5.0.0-alpha.1"))
		entries := faultyEntries{fakeEntries: fakeEntries{disk}, survey: func(e *efi.Survey) { e.Selected = "clipos-5.0.0-alpha.0+3.efi" }}
		u := s.openWith(s.load(), fakeVolumes{disk}, entries)
		defer u.Close()
		if _, err := u.Update(t.Context(), Request{}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(disk.cached.bootable(), " "); got != "5.0.0-alpha.0 5.0.0-alpha.1 5.0.0-alpha.3" {
			t.Errorf("bootable: %s", got)
		}
	})
}

// A disk that is smaller than it says writes its last bytes over its first.
func TestDiskThatWraps(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	disk := newFakeDisk(s.fakeState("5.0.0-alpha.0", "5.0.0-alpha.1"))
	volumes := faultyVolumes{fakeVolumes: fakeVolumes{disk}, device: func(d lvm.Device) lvm.Device { return wrapping{d} }}
	u := s.openWith(s.load(), volumes, fakeEntries{disk})
	defer u.Close()
	_, err := u.Update(t.Context(), Request{})
	isOnly(t, err, ErrReadBackMismatch)
	if got := strings.Join(disk.cached.bootable(), " "); got != "5.0.0-alpha.1" {
		t.Errorf("bootable: %s", got)
	}
}

// wrapping forgets what is beyond its true size, and overwrites its beginning.
type wrapping struct{ lvm.Device }

const trueBytes = 200 << 10

func (w wrapping) WriteAt(p []byte, off int64) (int, error) {
	for i := 0; i < len(p); i += 4096 {
		end := min(i+4096, len(p))
		if _, err := w.Device.WriteAt(p[i:end], (off+int64(i))%trueBytes); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func (w wrapping) ReadBackAt(p []byte, off int64) (int, error) {
	for i := 0; i < len(p); i += 4096 {
		end := min(i+4096, len(p))
		if _, err := w.Device.ReadBackAt(p[i:end], (off+int64(i))%trueBytes); err != nil {
			return i, err
		}
	}
	return len(p), nil
}
