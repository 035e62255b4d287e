// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func bless(p *Partition, file string) (string, error)   { return p.Bless(file) }
func condemn(p *Partition, file string) (string, error) { return p.Condemn(file) }

func TestRecount(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(*Partition, string) (string, error)
		file, want string
	}{
		"bless, plain":                  {bless, "clipos-6.0.0.efi", "clipos-6.0.0.efi"},
		"bless, tries left":             {bless, "clipos-6.0.0+3.efi", "clipos-6.0.0.efi"},
		"bless, tries done":             {bless, "clipos-6.0.0+2-1.efi", "clipos-6.0.0.efi"},
		"bless, in the last try":        {bless, "clipos-6.0.0+0-3.efi", "clipos-6.0.0.efi"},
		"bless, nothing at all":         {bless, "clipos-6.0.0+0.efi", "clipos-6.0.0.efi"},
		"bless, zero is written":        {bless, "clipos-6.0.0+3-0.efi", "clipos-6.0.0.efi"},
		"bless, leading zeros":          {bless, "clipos-6.0.0+03-01.efi", "clipos-6.0.0.efi"},
		"bless, pre-release":            {bless, "clipos-6.0.0-rc.1+1.efi", "clipos-6.0.0-rc.1.efi"},
		"condemn, plain":                {condemn, "clipos-6.0.0.efi", "clipos-6.0.0+0-1.efi"},
		"condemn, never tried":          {condemn, "clipos-6.0.0+3.efi", "clipos-6.0.0+0-1.efi"},
		"condemn, tried":                {condemn, "clipos-6.0.0+1-2.efi", "clipos-6.0.0+0-2.efi"},
		"condemn, zero is written":      {condemn, "clipos-6.0.0+3-0.efi", "clipos-6.0.0+0-1.efi"},
		"condemn, spent":                {condemn, "clipos-6.0.0+0-3.efi", "clipos-6.0.0+0-3.efi"},
		"condemn, spent, leading zeros": {condemn, "clipos-6.0.0+00-03.efi", "clipos-6.0.0+00-03.efi"},
		"condemn, spent, never tried":   {condemn, "clipos-6.0.0+0.efi", "clipos-6.0.0+0-1.efi"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			foreign(t, dir)
			others := snapshot(t, dir)
			writeFile(t, filepath.Join(dir, c.file), []byte("the image"))
			p := New(dir, product, Options{})
			for range 2 { // also under the name it had before
				got, err := c.change(p, c.file)
				if err != nil || got != c.want {
					t.Errorf("%q, %v, want %q", got, err, c.want)
				}
				wantSnapshot(t, dir, with(others, c.want, []byte("the image")))
			}
			got, err := c.change(p, c.want)
			if err != nil || got != c.want {
				t.Errorf("again: %q, %v, want %q", got, err, c.want)
			}
			wantSnapshot(t, dir, with(others, c.want, []byte("the image")))
		})
	}
}

func TestRecountRefused(t *testing.T) {
	const counted = "clipos-5.0.0-alpha.3+2-1.efi"
	for name, c := range map[string]struct {
		file, taken string
		want        error
	}{
		"not there":              {"clipos-4.0.0+3.efi", "", fs.ErrNotExist},
		"target is there":        {counted, "clipos-5.0.0-alpha.3.efi", fs.ErrExist},
		"target spelt otherwise": {counted, "CLIPOS-5.0.0-alpha.3.efi", fs.ErrExist},
		"foreign":                {"debian-12.efi", "", errForeign},
		"another product":        {"clipos-server-5.0.0.efi", "", errForeign},
		"no counter":             {"clipos-5.0.0+instrumented.efi", "", errForeign},
		"temporary":              {"clipos-5.0.0-alpha.3+2-1.efi.new", "", errForeign},
		"temporary, plain":       {"clipos-5.0.0-alpha.3.efi.new", "", errForeign},
		"a path":                 {"../clipos-5.0.0+1.efi", "", errForeign},
		"a folder":               {"clipos-5.5.0+1.efi", "", errForeign},
		"a link":                 {"clipos-5.5.1+1.efi", "", errForeign},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			foreign(t, dir)
			writeFile(t, filepath.Join(dir, counted), []byte("the image"))
			writeFile(t, filepath.Join(dir, counted+".new"), []byte("half"))
			if c.taken != "" {
				writeFile(t, filepath.Join(dir, c.taken), []byte("another"))
			}
			err := errors.Join(
				os.Mkdir(filepath.Join(dir, "clipos-5.5.0+1.efi"), 0o700),
				os.Symlink("debian-12.efi", filepath.Join(dir, "clipos-5.5.1+1.efi")),
			)
			if err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, dir)
			if got, err := New(dir, product, Options{}).Bless(c.file); !errors.Is(err, c.want) || got != "" {
				t.Errorf("%q, error %v, want %v", got, err, c.want)
			}
			wantSnapshot(t, dir, before)
		})
	}
}

func TestCondemnTargetIsThere(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "clipos-5.0.0.efi"), []byte("the image"))
	writeFile(t, filepath.Join(dir, "clipos-5.0.0+0-1.efi"), []byte("another"))
	before := snapshot(t, dir)
	if _, err := New(dir, product, Options{}).Condemn("clipos-5.0.0.efi"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want %v", err, fs.ErrExist)
	}
	wantSnapshot(t, dir, before)
}

// What is said to be done is durable, also when it was done before: the run
// that did it may have been killed before it could flush.
func TestRecountFlushes(t *testing.T) {
	for _, file := range []string{"clipos-5.0.0+2-1.efi", "clipos-5.0.0.efi"} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, file), []byte("the image"))
		p := New(dir, product, Options{})
		for _, want := range [][]string{nil, {"flush", "flush folder", "flush file system"}} {
			var changes []string
			p.before = func(what, _ string) error { changes = append(changes, what); return nil }
			if _, err := p.Bless(file); err != nil {
				t.Fatal(err)
			}
			if want == nil {
				continue // the first time, with the rename
			}
			if !slices.Equal(changes, want) {
				t.Errorf("%s: %q, want %q", file, changes, want)
			}
		}
		p.before = func(what, _ string) error {
			if what == "flush folder" {
				return unix.EIO
			}
			return nil
		}
		if _, err := p.Bless(file); !errors.Is(err, unix.EIO) {
			t.Errorf("%s: error %v, want %v", file, err, unix.EIO)
		}
	}
}

// Cut at any instant there is the entry under one of the two names.
func TestRecountPowerCut(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(*Partition, string) (string, error)
		file, want string
	}{
		"bless":           {bless, "clipos-5.0.0-alpha.3+2-1.efi", "clipos-5.0.0-alpha.3.efi"},
		"condemn":         {condemn, "clipos-5.0.0-alpha.3+2-1.efi", "clipos-5.0.0-alpha.3+0-1.efi"},
		"condemn, +L-0":   {condemn, "clipos-5.0.0-alpha.3+3-0.efi", "clipos-5.0.0-alpha.3+0-1.efi"},
		"condemn, plain":  {condemn, "clipos-5.0.0-alpha.3.efi", "clipos-5.0.0-alpha.3+0-1.efi"},
		"bless, done yet": {bless, "clipos-5.0.0-alpha.3.efi", "clipos-5.0.0-alpha.3.efi"},
	} {
		for _, lost := range []string{"nothing", "folder"} {
			t.Run(name+", lost "+lost, func(t *testing.T) {
				for change, ended := 0, false; !ended; change++ {
					dir := t.TempDir()
					foreign(t, dir)
					others := snapshot(t, dir)
					writeFile(t, filepath.Join(dir, c.file), []byte("the image"))
					p := New(dir, product, Options{})
					disk := &cutDisk{t: t, dir: dir, left: change}
					p.before = disk.before
					_, err := c.change(p, c.file)
					if err != nil && !errors.Is(err, errPowerCut) {
						t.Fatalf("change %d: %v", change, err)
					}
					ended = err == nil
					disk.lose(lost)
					now := snapshot(t, dir)
					file := c.file
					if _, found := now[c.want]; found {
						file = c.want
					}
					wantSnapshot(t, dir, with(others, file, []byte("the image")))
					if ended && file != c.want {
						t.Errorf("reported as done, and %s is back", file)
					}
					if _, err := c.change(New(dir, product, Options{}), file); err != nil {
						t.Errorf("change %d, again: %v", change, err)
					}
					wantSnapshot(t, dir, with(others, c.want, []byte("the image")))
				}
			})
		}
	}
}

// An entry that was renamed and not flushed, by a run that was killed or by
// systemd-bless-boot(8), is neither lost nor empty once Bless or Condemn has
// said that it is done, also under the name that it has.
func TestRecountAfterKill(t *testing.T) {
	const counted, blessed, condemned = "clipos-5.0.0+2-1.efi", "clipos-5.0.0.efi", "clipos-5.0.0+0-1.efi"
	for name, c := range map[string]struct {
		change      func(*Partition, string) (string, error)
		again, want string
	}{
		"bless":                   {bless, counted, blessed},
		"bless, by its new name":  {bless, blessed, blessed},
		"condemn":                 {condemn, counted, condemned},
		"condemn, by its new one": {condemn, condemned, condemned},
	} {
		for _, lost := range []string{"nothing", "folder"} {
			t.Run(name+", lost "+lost, func(t *testing.T) {
				dir := t.TempDir()
				writeFile(t, filepath.Join(dir, counted), []byte("the image"))
				p := New(dir, product, Options{})
				disk := &cutDisk{t: t, dir: dir, left: 1} // killed behind the rename
				p.before = disk.before
				if _, err := c.change(p, counted); !errors.Is(err, errPowerCut) {
					t.Fatal(err)
				}
				disk.left = -1
				if got, err := c.change(p, c.again); err != nil || got != c.want {
					t.Fatalf("%q, %v", got, err)
				}
				disk.lose(lost)
				wantSnapshot(t, dir, with(nil, c.want, []byte("the image")))
			})
		}
	}
}
