// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/lvm/lvmtest"
	"golang.org/x/sys/unix"
)

const imageBytes = 1 << 20

func newImage(t *testing.T) (d *lvm.Directory, image string) {
	t.Helper()
	folder := t.TempDir()
	d = lvm.NewDirectory(folder, imageBytes)
	if err := d.Create(t.Context(), "core_1"); err != nil {
		t.Fatal(err)
	}
	return d, filepath.Join(folder, "core_1")
}

func openFile(t *testing.T, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// remade replaces the image by something else of its name.
func remade(t *testing.T, image string, remake func() error) {
	t.Helper()
	if err := errors.Join(os.Rename(image, image+".old"), remake()); err != nil {
		t.Fatal(err)
	}
}

func TestDirectoryInUse(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		surveyed     bool // Survey knows it too
		use          func(t *testing.T, image string)
	}{
		{"locked", "locked by another program", false, func(t *testing.T, image string) {
			t.Helper()
			if err := unix.Flock(int(openFile(t, image, os.O_RDONLY).Fd()), unix.LOCK_SH); err != nil {
				t.Fatal(err)
			}
		}},
		{"open here for reading", "open elsewhere", false, func(t *testing.T, image string) {
			t.Helper()
			openFile(t, image, os.O_RDONLY)
		}},
		{"open in another process for reading", "open elsewhere", false, func(t *testing.T, image string) {
			t.Helper()
			holdOpen(t, openFile(t, image, os.O_RDONLY))
		}},
		{"open in another process for writing", "open elsewhere", false, func(t *testing.T, image string) {
			t.Helper()
			holdOpen(t, openFile(t, image, os.O_WRONLY))
		}},
		{"mapped into memory", "open elsewhere", false, func(t *testing.T, image string) {
			t.Helper()
			f := openFile(t, image, os.O_RDONLY)
			mapping, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Munmap(mapping) })
		}},
		{"mounted", "beneath loop", true, func(t *testing.T, image string) {
			t.Helper()
			mkfs(t, image)
			lvmtest.Mount(t, image)
		}},
		{"attached to a loop device", "beneath loop", true, func(t *testing.T, image string) {
			t.Helper()
			lvmtest.AttachLoop(t, image)
		}},
		{"a hard link", "a file with 2 names", true, func(t *testing.T, image string) {
			t.Helper()
			if err := os.Link(image, filepath.Join(t.TempDir(), "backup")); err != nil {
				t.Fatal(err)
			}
		}},
		{"a symbolic link", "a symbolic link", true, func(t *testing.T, image string) {
			t.Helper()
			remade(t, image, func() error { return os.Symlink(image+".old", image) })
		}},
		{"a dangling symbolic link", "a symbolic link", true, func(t *testing.T, image string) {
			t.Helper()
			remade(t, image, func() error { return os.Symlink("nowhere", image) })
		}},
		{"a FIFO", "a special file", true, func(t *testing.T, image string) {
			t.Helper()
			remade(t, image, func() error { return unix.Mkfifo(image, 0o600) })
		}},
		{"a device", "a special file", true, func(t *testing.T, image string) {
			t.Helper()
			remade(t, image, func() error { return unix.Mknod(image, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) })
		}},
		{"a folder", "a folder", true, func(t *testing.T, image string) {
			t.Helper()
			remade(t, image, func() error { return os.Mkdir(image, 0o700) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, image := newImage(t)
			c.use(t, image)
			survey, err := d.Survey(t.Context())
			if err != nil || survey.Volumes[0].Name != "core_1" || survey.Volumes[0].InUse != c.surveyed {
				t.Errorf("survey %+v, %v", survey, err)
			}
			_, err = d.Open(t.Context(), "core_1")
			if !errors.Is(err, lvm.ErrInUse) || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%v, want %v: %s", err, lvm.ErrInUse, c.reason)
			}
			// What somebody uses can be read; what is no image file cannot.
			isImage := !c.surveyed || strings.HasPrefix(c.reason, "beneath")
			r, err := d.OpenReadOnly(t.Context(), "core_1")
			if isImage && err == nil {
				err = r.Close()
			} else if !isImage && errors.Is(err, lvm.ErrInUse) && strings.Contains(err.Error(), c.reason) {
				err = nil
			}
			if err != nil {
				t.Errorf("OpenReadOnly: %v", err)
			}
			if err := d.Create(t.Context(), "core_1"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("Create: %v, want %v", err, fs.ErrExist)
			}
		})
	}
}

func TestDirectoryMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + "/below", file + "-not"} {
		d := lvm.NewDirectory(path, imageBytes)
		_, surveyErr := d.Survey(t.Context())
		_, openErr := d.Open(t.Context(), "core_1")
		_, readErr := d.OpenReadOnly(t.Context(), "core_1")
		for what, err := range map[string]error{
			"Survey": surveyErr, "Open": openErr, "OpenReadOnly": readErr,
			"Create": d.Create(t.Context(), "core_1"), "Rename": d.Rename(t.Context(), "core_1", "core_2"),
		} {
			if !errors.Is(err, lvm.ErrGroupNotFound) {
				t.Errorf("%s in %s: %v, want %v", what, path, err, lvm.ErrGroupNotFound)
			}
		}
	}
}

func TestDirectoryFileIsSparseAndPrivate(t *testing.T) {
	_, image := newImage(t)
	var st unix.Stat_t
	if err := unix.Stat(image, &st); err != nil {
		t.Fatal(err)
	}
	if st.Blocks != 0 || st.Size != imageBytes || st.Mode != unix.S_IFREG|0o600 || st.Nlink != 1 {
		t.Errorf("%+v", st)
	}
	entries, err := os.ReadDir(filepath.Dir(image))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

// A file system that is full: the error says so, and what was written before
// is there.
func TestDirectoryFull(t *testing.T) {
	folder := t.TempDir()
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal("needs root:", err)
	}
	t.Cleanup(func() {
		// Detached, not only unmounted: a child of another test may hold a
		// descriptor for an instant.
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	b := lvm.NewDirectory(folder, imageBytes)
	if err := b.Create(t.Context(), "core_1"); err != nil {
		t.Fatal(err)
	}
	d, err := b.Open(t.Context(), "core_1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	p := lvm.AlignedBuffer(imageBytes)
	for i := range p {
		p[i] = 1
	}
	n, err := d.WriteAt(p, 0)
	if !errors.Is(err, lvm.ErrNoSpace) || n >= imageBytes {
		t.Errorf("%d bytes, %v, want %v", n, err, lvm.ErrNoSpace)
	}
	back := make([]byte, n)
	if _, err := d.ReadBackAt(back, 0); err != nil || !bytes.Equal(back, p[:n]) {
		t.Errorf("read back: %v", err)
	}
}

// Whatever size an image file has, its last bytes can be written.
func TestDirectoryOddSize(t *testing.T) {
	b := lvm.NewDirectory(t.TempDir(), 3*4096+512+7)
	if err := b.Create(t.Context(), "core_1"); err != nil {
		t.Fatal(err)
	}
	d, err := b.Open(t.Context(), "core_1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	p := lvm.AlignedBuffer(int(d.SizeBytes()))
	for i := range p {
		p[i] = byte(i % 251)
	}
	if n, err := d.WriteAt(p, 0); n != len(p) || err != nil {
		t.Fatal(n, err)
	}
	back := lvm.AlignedBuffer(len(p))
	if n, err := d.ReadBackAt(back, 0); n != len(p) || err != nil || !bytes.Equal(back, p) {
		t.Errorf("read back: %d, %v", n, err)
	}
}

// A file that somebody cut short is not read to its new end without a word.
func TestDirectoryCutShort(t *testing.T) {
	b, image := newImage(t)
	d, err := b.Open(t.Context(), "core_1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := os.Truncate(image, imageBytes/2); err != nil {
		t.Fatal(err)
	}
	for _, p := range [][]byte{lvm.AlignedBuffer(imageBytes), lvm.AlignedBuffer(imageBytes)[1:]} {
		if n, err := d.ReadBackAt(p, 0); n != imageBytes/2 || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			t.Errorf("%d bytes, %v, want half of them and %v", n, err, io.ErrUnexpectedEOF)
		}
	}
}
