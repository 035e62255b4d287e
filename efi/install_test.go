// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"
)

// stage stages an image, as nothing but its bytes, and returns what is read back.
func stage(t testing.TB, p *Partition, file string, image []byte) []byte {
	t.Helper()
	r, err := p.Stage(t.Context(), file, bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// effects makes a partition record its changes.
func effects(p *Partition) *[]string {
	var all []string
	p.before = func(what, file string) error {
		all = append(all, strings.TrimSpace(what+" "+file))
		return nil
	}
	return &all
}

func wantEffects(t *testing.T, got *[]string, want ...string) {
	t.Helper()
	if strings.Join(*got, ", ") != strings.Join(want, ", ") {
		t.Errorf("%q, want %q", *got, want)
	}
	*got = nil
}

func TestInstall(t *testing.T) {
	dir := t.TempDir()
	foreign(t, dir)
	before := snapshot(t, dir)
	image := bytes.Repeat([]byte("image"), copyBytes/4) // two writes
	p := New(dir, product, Options{})
	done := effects(p)

	if err := p.Remove("clipos-5.0.0-alpha.0.efi"); err != nil {
		t.Fatal(err)
	}
	const old = "clipos-5.0.0-alpha.0.efi"
	wantEffects(t, done, "rename "+old, "flush folder", "flush file system", "flush "+old+".new",
		"unlink "+old+".new", "flush folder", "flush file system")
	before = without(before, "clipos-5.0.0-alpha.0.efi")
	wantSnapshot(t, dir, before)

	const file = "clipos-5.0.0-alpha.3+3.efi"
	if got := stage(t, p, file, image); !bytes.Equal(got, image) {
		t.Errorf("read back %d bytes of %d", len(got), len(image))
	}
	wantEffects(t, done, "create "+file+".new", "write "+file+".new", "write "+file+".new", "flush "+file+".new")
	wantSnapshot(t, dir, with(before, file+".new", image))

	if err := p.Publish(file); err != nil {
		t.Fatal(err)
	}
	wantEffects(t, done, "rename "+file+".new", "flush folder", "flush file system", "flush "+file)
	wantSnapshot(t, dir, with(before, file, image))
}

func TestRemoveMissing(t *testing.T) {
	dir := t.TempDir()
	p := New(dir, product, Options{})
	done := effects(p)
	if err := p.Remove("clipos-5.0.0.efi"); err != nil {
		t.Error(err)
	}
	// A run that was killed may have removed it and not flushed.
	wantEffects(t, done, "flush folder", "flush file system")
}

// No verb touches anything but a regular file of exactly our names.
func TestRefusesForeign(t *testing.T) {
	tests := []struct {
		file string
		want error
	}{
		{"debian-12.efi", errForeign},
		{"clipos.efi", errForeign},
		{"clipos-server-5.0.0.efi", errForeign},
		{"clipos2-5.0.0.efi", errForeign},
		{"CLIPOS-5.1.0.EFI", errForeign},
		{"clipos-5.0.0.EFI", errForeign},
		{"clipos-5.0.0-RC.1.efi", errForeign},
		{"clipos-5.0.0+instrumented.efi", errForeign},
		{"clipos-5.0.0.efi.bak", errForeign},
		{"clipos-5.0.0-alpha.1+3.conf", errForeign},
		{"", errForeign},
		{".", errForeign},
		{"..", errForeign},
		{"Debian/clipos-5.0.0.efi", errForeign},
		{"../clipos-5.0.0.efi", errForeign},
		{"clipos-7.0.0.efi", errForeign},       // a folder
		{"clipos-8.0.0.efi", errForeign},       // a link
		{"clipos-8.0.2.efi", errForeign},       // a link to nowhere
		{"clipos-9.0.0.efi", errForeign},       // a FIFO
		{"clipos-5.0.0.efi", fs.ErrExist},      // with ".EFI" it is there
		{"clipos-5.1.0.efi", fs.ErrExist},      // in capital letters it is there
		{"clipos-5.0.0-rc.1.efi", fs.ErrExist}, // as "RC" it is there
	}
	dir := t.TempDir()
	foreign(t, dir)
	before := snapshot(t, dir)
	p := New(dir, product, Options{})
	p.before = func(what, file string) error {
		t.Errorf("%s %q", what, file)
		return nil
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			if err := p.Remove(test.file); !errors.Is(err, test.want) {
				t.Errorf("Remove: %v", err)
			}
			if _, ours := ParseName(product, test.file); ours {
				return
			}
			if _, err := p.Stage(t.Context(), test.file, strings.NewReader("image")); !errors.Is(err, errForeign) {
				t.Errorf("Stage: %v", err)
			}
			if err := p.Publish(test.file); !errors.Is(err, errForeign) {
				t.Errorf("Publish: %v", err)
			}
		})
	}
	for _, file := range []string{"clipos-5.5.0.efi.new", "clipos-5.5.0+1.efi.new"} {
		if _, err := p.Stage(t.Context(), file, strings.NewReader("image")); !errors.Is(err, errForeign) {
			t.Errorf("Stage %s: %v", file, err)
		}
		if err := p.Publish(file); !errors.Is(err, errForeign) {
			t.Errorf("Publish %s: %v", file, err)
		}
	}
	wantSnapshot(t, dir, before)
}

func TestStageLeftOver(t *testing.T) {
	const file, temporary = "clipos-5.0.0.efi", "clipos-5.0.0.efi.new"
	tests := []struct {
		name string
		make func(t *testing.T, dir string)
		want error // nil: replaced
	}{
		{"half a file", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, temporary), bytes.Repeat([]byte("old"), 10_000))
		}, nil},
		{"read-only", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, temporary), []byte("old"))
			if err := os.Chmod(filepath.Join(dir, temporary), 0); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"hard link", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "other"), []byte("of somebody else"))
			if err := os.Link(filepath.Join(dir, "other"), filepath.Join(dir, temporary)); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"folder", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, temporary), 0o700); err != nil {
				t.Fatal(err)
			}
		}, errForeign},
		{"link", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "target"), []byte("of somebody else"))
			if err := os.Symlink("target", filepath.Join(dir, temporary)); err != nil {
				t.Fatal(err)
			}
		}, errForeign},
		{"link to nowhere", func(t *testing.T, dir string) {
			if err := os.Symlink("../nowhere", filepath.Join(dir, temporary)); err != nil {
				t.Fatal(err)
			}
		}, errForeign},
		{"FIFO", func(t *testing.T, dir string) {
			if err := unix.Mkfifo(filepath.Join(dir, temporary), 0o600); err != nil {
				t.Fatal(err)
			}
		}, errForeign},
		{"in capital letters", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, strings.ToUpper(temporary)), []byte("of somebody else"))
		}, fs.ErrExist},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.make(t, dir)
			before := snapshot(t, dir)
			p := New(dir, product, Options{})
			r, err := p.Stage(t.Context(), file, strings.NewReader("new"))
			if !errors.Is(err, test.want) {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if test.want != nil {
				wantSnapshot(t, dir, before)
				return
			}
			r.Close()
			wantSnapshot(t, dir, with(before, temporary, []byte("new")))
			if err := p.Remove(temporary); err != nil {
				t.Error(err)
			}
			wantSnapshot(t, dir, without(before, temporary))
		})
	}
}

func TestPublishRefuses(t *testing.T) {
	const file, temporary = "clipos-5.0.0.efi", "clipos-5.0.0.efi.new"
	tests := []struct {
		name  string
		files []string // kinds by their first letter: f file, d folder, l link
		want  error
	}{
		{"nothing staged", nil, fs.ErrNotExist},
		{"staged as another", []string{"f clipos-5.0.0+3.efi.new"}, fs.ErrNotExist},
		{"staged in capital letters", []string{"f CLIPOS-5.0.0.EFI.NEW"}, fs.ErrExist},
		{"a folder staged", []string{"d " + temporary}, errForeign},
		{"a link staged", []string{"l " + temporary}, errForeign},
		{"there already", []string{"f " + temporary, "f " + file}, fs.ErrExist},
		{"there in another case", []string{"f " + temporary, "f Clipos-5.0.0.efi"}, fs.ErrExist},
		{"there with a capital suffix", []string{"f " + temporary, "f clipos-5.0.0.EFI"}, fs.ErrExist},
		{"a folder there", []string{"f " + temporary, "d " + file}, fs.ErrExist},
		{"a link there", []string{"f " + temporary, "l " + file}, fs.ErrExist},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range test.files {
				path := filepath.Join(dir, f[2:])
				var err error
				switch f[0] {
				case 'd':
					err = os.Mkdir(path, 0o700)
				case 'l':
					err = os.Symlink("nowhere", path)
				default:
					writeFile(t, path, []byte("content of "+f))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			before := snapshot(t, dir)
			if err := New(dir, product, Options{}).Publish(file); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			wantSnapshot(t, dir, before)
		})
	}
}

// The kernel refuses too, in case the file came into being after we looked.
func TestRenameNew(t *testing.T) {
	for name, rename := range map[string]func(folder, string, string) error{
		"RENAME_NOREPLACE": folder.renameNew, "without": folder.renameChecked,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "a"), []byte("a"))
			writeFile(t, filepath.Join(dir, "b"), []byte("b"))
			before := snapshot(t, dir)
			d, _, err := New(dir, product, Options{}).open()
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := rename(d, "a", "b"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("%v", err)
			}
			wantSnapshot(t, dir, before)
			if err := rename(d, "a", "c"); err != nil {
				t.Errorf("%v", err)
			}
			wantSnapshot(t, dir, with(without(before, "a"), "c", []byte("a")))
			if err := rename(d, "a", "d"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestStageImageFails(t *testing.T) {
	dir := t.TempDir()
	foreign(t, dir)
	before := snapshot(t, dir)
	broken := errors.New("broken")
	image := io.MultiReader(bytes.NewReader(make([]byte, 3*copyBytes)), iotest.ErrReader(broken))
	_, err := New(dir, product, Options{}).Stage(t.Context(), "clipos-5.0.0.efi", image)
	if !errors.Is(err, broken) || err.Error() != "image: broken" {
		t.Errorf("%v", err)
	}
	wantSnapshot(t, dir, before)
}

func TestStageCancelled(t *testing.T) {
	dir := t.TempDir()
	foreign(t, dir)
	before := snapshot(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	p := New(dir, product, Options{})
	writes := 0
	p.before = func(what, _ string) error {
		if what == "write" {
			if writes++; writes == 3 {
				cancel()
			}
		}
		return nil
	}
	endless := iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 1000)))
	if _, err := p.Stage(ctx, "clipos-5.0.0.efi", endless); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if writes != 3 {
		t.Errorf("%d writes", writes)
	}
	wantSnapshot(t, dir, before)
}

// Readers may return data together with the end, or nothing at all.
func TestStageReaders(t *testing.T) {
	image := bytes.Repeat([]byte("0123456789"), copyBytes/5)
	for name, r := range map[string]io.Reader{
		"data with the end": iotest.DataErrReader(bytes.NewReader(image)),
		"halves":            iotest.HalfReader(bytes.NewReader(image)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			back, err := New(dir, product, Options{}).Stage(t.Context(), "clipos-5.0.0.efi", r)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(back); err != nil || !bytes.Equal(got, image) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			back.Close()
			wantSnapshot(t, dir, with(nil, "clipos-5.0.0.efi.new", image))
		})
	}
}

func TestNoSpace(t *testing.T) {
	small := func(t *testing.T) string { return mountTemporary(t, "-t", "tmpfs", "-o", "size=512k", "none") }
	tests := []struct {
		name string
		dir  func(t *testing.T) string
	}{
		{"memory", small},
		{"ext4", func(t *testing.T) string {
			dir, _ := mountExt4(t, 1<<20, "-m", "0")
			return dir
		}},
		{"no more files", func(t *testing.T) string {
			return mountTemporary(t, "-t", "tmpfs", "-o", "nr_inodes=2", "none") // one is the folder
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := test.dir(t)
			writeFile(t, filepath.Join(dir, "clipos-5.0.0-alpha.1.efi"), []byte("running"))
			before := snapshot(t, dir)
			p := New(dir, product, Options{})
			free := survey(t, p).FreeBytes
			_, err := p.Stage(t.Context(), "clipos-5.0.0.efi", bytes.NewReader(make([]byte, 2<<20)))
			if !errors.Is(err, ErrNoSpace) || !strings.HasPrefix(err.Error(), "file clipos-5.0.0.efi.new: ") {
				t.Errorf("%v", err)
			}
			wantSnapshot(t, dir, before)
			if after := survey(t, p).FreeBytes; after != free {
				t.Errorf("%d bytes free, before it were %d", after, free)
			}
		})
	}
}

// What Stage hands back comes from the disk: a bit that it lost is seen,
// though the kernel has just seen the right one.
func TestStageReadsDisk(t *testing.T) {
	dir, disk := mountExt4(t, 8<<20)
	image := bytes.Repeat([]byte("a pattern that is nowhere else\n"), 40_000)
	p := New(dir, product, Options{})
	r, err := p.Stage(t.Context(), "clipos-5.0.0.efi", bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	damage(t, disk, image[:31])
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, image) {
		t.Error("read back what was written, not what is on the disk")
	}
}

// damage flips one bit where the disk first holds a pattern.
func damage(t *testing.T, disk string, pattern []byte) {
	t.Helper()
	place := bytes.Index(readFile(t, disk), pattern)
	if place < 0 {
		t.Fatal("not on the disk at all: nothing was flushed")
	}
	f, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{pattern[0] ^ 1}, int64(place)); err != nil {
		t.Fatal(err)
	}
}

// What comes into being behind our back is not overwritten, nor removed as if
// it were ours.
func TestStageRace(t *testing.T) {
	for name, appear := range map[string]func(path string) error{
		"file": func(path string) error { return os.WriteFile(path, []byte("of somebody else"), 0o600) },
		"link": func(path string) error { return os.Symlink("debian-12.efi", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			foreign(t, dir)
			var before map[string]string
			p := New(dir, product, Options{})
			p.before = func(what, file string) error {
				if what == "create" {
					if err := appear(filepath.Join(dir, file)); err != nil {
						t.Fatal(err)
					}
					before = snapshot(t, dir)
				}
				return nil
			}
			if _, err := p.Stage(t.Context(), "clipos-5.0.0-alpha.3.efi", strings.NewReader("x")); !errors.Is(err, fs.ErrExist) {
				t.Errorf("%v", err)
			}
			wantSnapshot(t, dir, before)
		})
	}
}

func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	foreign(t, dir)
	d, _, err := New(dir, product, Options{}).open()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for file, want := range map[string]error{
		"clipos-8.0.0.efi": unix.ELOOP, "clipos-9.9.9.efi": fs.ErrNotExist, "clipos-7.0.0.efi": errForeign, "clipos-9.0.0.efi": errForeign,
	} {
		if _, err := d.openFile(file, os.O_RDONLY); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", file, err, want)
		}
	}
}
