// SPDX-License-Identifier: LGPL-2.1-or-later

package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func mustFile(t *testing.T, d *Dir, name string) *File {
	t.Helper()
	f, err := d.File(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func mustBegin(t *testing.T, f *File, validator string, keep bool) {
	t.Helper()
	if err := f.Begin(validator, keep); err != nil {
		t.Fatal(err)
	}
}

func mustWrite(t *testing.T, f *File, text string) {
	t.Helper()
	if n, err := f.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
}

// has asserts what a file is, through itself and through its name.
func has(t *testing.T, f *File, validator, content string) {
	t.Helper()
	got := make([]byte, f.Len())
	if _, err := f.ReadAt(got, 0); f.Len() > 0 && err != nil {
		t.Error(err)
	}
	if string(got) != content || f.Validator() != validator {
		t.Errorf("validator %q and %q, want %q and %q", f.Validator(), got, validator, content)
	}
	path := filepath.Join(f.dir.folder.Name(), f.name)
	for _, c := range []struct{ path, want string }{{path, content}, {path + validatorSuffix, validator}} {
		data, err := os.ReadFile(c.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || string(data) != c.want {
			t.Errorf("%s is %q, %v, want %q", c.path, data, err, c.want)
		}
	}
}

func listed(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, f := range found {
		list = append(list, f.Name())
	}
	return list
}

func TestOpenMakesThePrivateFolder(t *testing.T) {
	d, dir := opened(t)
	f := mustFile(t, d, payload)
	mustBegin(t, f, `"1"`, false)
	for path, mode := range map[string]os.FileMode{"": fs.ModeDir | 0o700, payload: 0o600, payload + validatorSuffix: 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode() != mode {
			t.Errorf("%q has mode %v, %v", path, info.Mode(), err)
		}
	}
	if _, err := Open(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the state folder: error %v", err)
	}
}

func TestResume(t *testing.T) {
	d, dir := opened(t)
	f := mustFile(t, d, payload)
	has(t, f, "", "")
	mustBegin(t, f, `"1"`, false)
	mustWrite(t, f, "first ")
	mustWrite(t, f, "half, ")
	has(t, f, `"1"`, "first half, ")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// Another run, another process.
	again, err := Open(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	g := mustFile(t, again, payload)
	has(t, g, `"1"`, "first half, ")
	mustBegin(t, g, `"1"`, true)
	mustWrite(t, g, "second half")
	has(t, g, `"1"`, "first half, second half")
	part := make([]byte, 6)
	if n, err := g.ReadAt(part, 12); n != 6 || err != nil || string(part) != "second" {
		t.Errorf("%q, %v", part, err)
	}
}

func TestBegin(t *testing.T) {
	for name, c := range map[string]struct {
		validator     string
		keep          bool
		wantValidator string
		want          string
	}{
		"goes on":                     {`"1"`, true, `"1"`, "old new"},
		"goes on, called otherwise":   {`"2"`, true, `"2"`, "old new"},
		"goes on, not called at all":  {"", true, "", "old new"},
		"begins anew":                 {`"1"`, false, `"1"`, "new"},
		"begins anew, another":        {`"2"`, false, `"2"`, "new"},
		"begins anew, shorter name":   {"2", false, "2", "new"},
		"begins anew, longer name":    {`"a much longer name"`, false, `"a much longer name"`, "new"},
		"begins anew, without a name": {"", false, "", "new"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := opened(t)
			f := mustFile(t, d, payload)
			mustBegin(t, f, `"1"`, false)
			mustWrite(t, f, "old ")
			mustBegin(t, f, c.validator, c.keep)
			mustWrite(t, f, "new")
			has(t, f, c.wantValidator, c.want)
			f.Close()
			has(t, mustFile(t, d, payload), c.wantValidator, c.want)
		})
	}
}

func TestTruncate(t *testing.T) {
	d, _ := opened(t)
	f := mustFile(t, d, payload)
	mustBegin(t, f, `"1"`, false)
	mustWrite(t, f, "something long")
	if err := f.Truncate(); err != nil {
		t.Fatal(err)
	}
	has(t, f, `"1"`, "")
	mustWrite(t, f, "short")
	has(t, f, `"1"`, "short")
}

// A validator longer than any that a server should give is not taken for
// another one that begins the same.
func TestLongValidator(t *testing.T) {
	d, _ := opened(t)
	long := strings.Repeat("v", maxValidatorBytes+1)
	f := mustFile(t, d, payload)
	mustBegin(t, f, long, false)
	f.Close()
	g := mustFile(t, d, payload)
	if g.Validator() != "" {
		t.Errorf("a validator of %d bytes of %d", len(g.Validator()), len(long))
	}
	mustBegin(t, g, long[1:], false)
	g.Close()
	if got := mustFile(t, d, payload).Validator(); got != long[1:] {
		t.Errorf("a validator of %d bytes of %d", len(got), len(long)-1)
	}
}

func TestKeep(t *testing.T) {
	d, dir := opened(t)
	g := newTarget(t)
	g.was = g.stat()
	for _, name := range []string{"a-core", "a-efiboot", "b-core"} {
		f := mustFile(t, d, name)
		mustBegin(t, f, name, false)
		mustWrite(t, f, "content of "+name)
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "a-core.validator.old"), nil, 0o600),
		os.WriteFile(filepath.Join(dir, ".hidden"), nil, 0o600),
		os.Symlink(g.path, filepath.Join(dir, "link")),
		os.Symlink(filepath.Dir(g.path), filepath.Join(dir, "link to a folder")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Keep("a-core", "a-efiboot"); err != nil {
			t.Fatal(err)
		}
		if got := listed(t, dir); !slices.Equal(got, []string{"a-core", "a-core.validator", "a-efiboot", "a-efiboot.validator"}) {
			t.Errorf("kept %q", got)
		}
	}
	g.untouched()
	has(t, mustFile(t, d, "a-core"), "a-core", "content of a-core")
	if err := d.Keep(); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, dir); len(got) > 0 {
		t.Errorf("kept %q", got)
	}
}

// A hard link is taken away, what it is a name of is not.
func TestKeepRemovesNames(t *testing.T) {
	d, dir := opened(t)
	g := newTarget(t)
	g.was = g.stat()
	if err := os.Link(g.path, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(); err != nil {
		t.Fatal(err)
	}
	g.untouched()
}

// A folder is none of ours; nothing below it is touched.
func TestKeepRefusesFolders(t *testing.T) {
	d, dir := opened(t)
	path := filepath.Join(dir, "folder")
	if err := errors.Join(os.Mkdir(path, 0o700), os.WriteFile(filepath.Join(path, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(); !errors.Is(err, unix.EISDIR) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want %v", err, unix.EISDIR)
	}
	if got := listed(t, path); !slices.Equal(got, []string{"file"}) {
		t.Errorf("the folder has %q", got)
	}
}

// small is a cache on a file system of 64 KiB.
func small(t *testing.T, options string) *Dir {
	t.Helper()
	needsRoot(t)
	state := t.TempDir()
	if err := unix.Mount("tmpfs", state, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(state, unix.MNT_DETACH) })
	d, err := Open(state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestNoSpace(t *testing.T) {
	d := small(t, "size=64k")
	f := mustFile(t, d, payload)
	mustBegin(t, f, `"1"`, false)
	free, err := d.FreeBytes()
	if err != nil || free <= 0 || free > 64<<10 {
		t.Fatalf("%d bytes free, %v", free, err)
	}
	data := []byte(strings.Repeat("0123456789abcdef", 8<<10))
	n, err := f.Write(data)
	if !errors.Is(err, ErrNoSpace) || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v, want %v", err, ErrNoSpace)
	}
	if int64(n) != free || f.Len() != free {
		t.Errorf("%d bytes were written, the file has %d, %d were free", n, f.Len(), free)
	}
	got := make([]byte, n)
	if _, err := f.ReadAt(got, 0); err != nil || string(got) != string(data[:n]) {
		t.Errorf("what is there is not what was written (%v)", err)
	}
	if free, err := d.FreeBytes(); free != 0 || err != nil {
		t.Errorf("%d bytes free, %v", free, err)
	}
	// Nor is there room for what another file is called.
	other := mustFile(t, d, "other")
	if err := other.Begin(`"2"`, false); !errors.Is(err, ErrNoSpace) || other.Validator() != "" {
		t.Errorf("validator %q, error %v, want %v", other.Validator(), err, ErrNoSpace)
	}
	if err := f.Truncate(); err != nil {
		t.Fatal(err)
	}
	mustBegin(t, f, `"2"`, false)
	mustWrite(t, f, "there is room again")
	has(t, f, `"2"`, "there is room again")
}

func TestNoSpaceForAName(t *testing.T) {
	d := small(t, "nr_inodes=4")
	var err error
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		var f *File
		if f, err = d.File(name); err != nil {
			break
		}
		defer f.Close()
	}
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("error %v, want %v", err, ErrNoSpace)
	}
}

func TestClosed(t *testing.T) {
	d, _ := opened(t)
	f := mustFile(t, d, payload)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"truncate": f.Truncate(), "begin": f.Begin("", false), "close": f.Close()} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: error %v, want %v", what, err, os.ErrClosed)
		}
	}
	if n, err := f.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("write: %d, error %v", n, err)
	}
}

// FuzzFile: whatever lies in the cache, another run reads the same, takes a
// validator whole or not at all, and continues or replaces what is there.
func FuzzFile(f *testing.F) {
	f.Add(`"69a42ac0-40000000"`, "first half, ", `"69a42ac0-40000000"`, "second half", true)
	f.Add("Sun, 01 Mar 2026 12:00:00 GMT", "old", "", "new", false)
	f.Add(strings.Repeat("x", maxValidatorBytes+1), "old", "", "", true)
	f.Add("\x00\n", "", "\"a longer one\"", "", true)
	f.Fuzz(func(t *testing.T, validator, content, next, more string, keep bool) {
		d, dir := opened(t)
		for path, text := range map[string]string{payload: content, payload + validatorSuffix: validator} {
			if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		file := mustFile(t, d, payload)
		want := validator
		if len(validator) > maxValidatorBytes {
			want = ""
		}
		if file.Validator() != want || file.Len() != int64(len(content)) {
			t.Fatalf("validator %q and %d bytes", file.Validator(), file.Len())
		}
		if len(next) > maxValidatorBytes {
			return // no server's: package fetch
		}
		mustBegin(t, file, next, keep)
		mustWrite(t, file, more)
		if !keep {
			content = ""
		}
		for _, reader := range []*File{file, mustFile(t, d, payload)} {
			got := make([]byte, reader.Len())
			if _, err := reader.ReadAt(got, 0); len(got) > 0 && err != nil {
				t.Error(err)
			}
			if string(got) != content+more || reader.Validator() != next {
				t.Errorf("validator %q and %q", reader.Validator(), got)
			}
		}
	})
}
