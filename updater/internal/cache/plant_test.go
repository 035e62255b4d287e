// SPDX-License-Identifier: LGPL-2.1-or-later

package cache

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	payload = "5.0.0-alpha.3-core"
	nobody  = 65534
)

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount and give files away")
	}
}

// opened is a cache in a new state folder, with where it is.
func opened(t *testing.T) (*Dir, string) {
	t.Helper()
	state := t.TempDir()
	d, err := Open(state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, filepath.Join(state, "cache")
}

// target is a file outside the cache that an attacker wants written to.
type target struct {
	t    *testing.T
	path string
	was  syscall.Stat_t
}

const secret = "what must not change"

func newTarget(t *testing.T) *target {
	t.Helper()
	g := &target{t: t, path: filepath.Join(t.TempDir(), "target")}
	if err := os.WriteFile(g.path, []byte(secret), 0o640); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *target) stat() syscall.Stat_t {
	g.t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(g.path, &st); err != nil {
		g.t.Fatal(err)
	}
	return st
}

// untouched asserts that nobody wrote to the target or changed what it is.
func (g *target) untouched() {
	g.t.Helper()
	if data, err := os.ReadFile(g.path); err != nil || string(data) != secret {
		g.t.Errorf("the target is %q, %v", data, err)
	}
	st := g.stat()
	if st.Mode != g.was.Mode || st.Uid != g.was.Uid || st.Size != g.was.Size || st.Mtim != g.was.Mtim || st.Nlink != g.was.Nlink {
		g.t.Errorf("the target was %+v, is %+v", g.was, st)
	}
}

// plants are what was not made by us.
var plants = map[string]struct {
	root  bool
	plant func(t *testing.T, path, target string) error
}{
	"symbolic link":    {false, func(_ *testing.T, path, target string) error { return os.Symlink(target, path) }},
	"dangling link":    {false, func(_ *testing.T, path, target string) error { return os.Symlink(target+".missing", path) }},
	"link to a folder": {false, func(_ *testing.T, path, target string) error { return os.Symlink(filepath.Dir(target), path) }},
	"link to itself":   {false, func(_ *testing.T, path, _ string) error { return os.Symlink(filepath.Base(path), path) }},
	"link in the cache": {false, func(_ *testing.T, path, _ string) error {
		return errors.Join(os.WriteFile(path+".mine", nil, 0o600), os.Symlink(filepath.Base(path)+".mine", path))
	}},
	"hard link": {false, func(_ *testing.T, path, target string) error { return os.Link(target, path) }},
	"FIFO":      {false, func(_ *testing.T, path, _ string) error { return unix.Mkfifo(path, 0o600) }},
	"folder":    {false, func(_ *testing.T, path, _ string) error { return os.Mkdir(path, 0o700) }},
	"socket":    {false, plantSocket},
	"device": {true, func(_ *testing.T, path, _ string) error {
		return unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
	}},
	"foreign owner":   {true, plantForeign},
	"mount of a file": {true, plantMount},
}

func plantSocket(t *testing.T, path, _ string) error {
	// The path of a socket has at most 107 bytes, that of a test more.
	short := filepath.Join("/proc/self/cwd", filepath.Base(path))
	t.Chdir(filepath.Dir(path))
	l, err := net.Listen("unix", short)
	if err == nil {
		t.Cleanup(func() { l.Close() })
	}
	return err
}

func plantForeign(_ *testing.T, path, _ string) error {
	return errors.Join(os.WriteFile(path, []byte("of somebody else"), 0o600), os.Chown(path, nobody, nobody))
}

func plantMount(t *testing.T, path, target string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
	return unix.Mount(target, path, "", unix.MS_BIND, "")
}

// refused asserts that something was, by its name, without waiting.
func refused(t *testing.T, path string, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want %v", err, ErrForeign)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it waits")
	}
}

// Whatever is planted, for a payload or for its validator, is refused, and
// what it leads to is neither written nor read nor made.
func TestPlanted(t *testing.T) {
	for name, p := range plants {
		for _, suffix := range []string{"", validatorSuffix} {
			t.Run(name+" for "+payload+suffix, func(t *testing.T) {
				if p.root {
					needsRoot(t)
				}
				d, dir := opened(t)
				g := newTarget(t)
				path := filepath.Join(dir, payload+suffix)
				if err := p.plant(t, path, g.path); err != nil {
					t.Fatal(err)
				}
				g.was = g.stat()
				planted, err := os.Lstat(path)
				if err != nil {
					t.Fatal(err)
				}
				refused(t, path, func() error {
					f, err := d.File(payload)
					if f != nil {
						t.Errorf("%+v was opened", f)
					}
					return err
				})
				g.untouched()
				if _, err := os.Lstat(g.path + ".missing"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the target of a dangling link was made (%v)", err)
				}
				if after, err := os.Lstat(path); err != nil || !os.SameFile(planted, after) || after.Mode() != planted.Mode() || after.ModTime() != planted.ModTime() {
					t.Errorf("what was planted changed: %v, %v", after, err)
				}
			})
		}
	}
}

// A validator that is planted once the payload is open is refused too, before
// a byte of its target is lost.
func TestPlantedLater(t *testing.T) {
	for name, p := range plants {
		for _, keep := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				if p.root {
					needsRoot(t)
				}
				d, dir := opened(t)
				f, err := d.File(payload)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				g := newTarget(t)
				path := filepath.Join(dir, payload+validatorSuffix)
				if err := p.plant(t, path, g.path); err != nil {
					t.Fatal(err)
				}
				g.was = g.stat()
				refused(t, path, func() error { return f.Begin(`"etag"`, keep) })
				g.untouched()
				if f.Validator() != "" {
					t.Errorf("the validator is %q", f.Validator())
				}
				if name == "foreign owner" {
					if data, err := os.ReadFile(path); string(data) != "of somebody else" {
						t.Errorf("what was planted is %q, %v", data, err)
					}
				}
			})
		}
	}
}

// Who puts something in the name's place changes nothing for a file that is
// open: what was verified is what is installed.
func TestReplacedWhileOpen(t *testing.T) {
	d, dir := opened(t)
	f, err := d.File(payload)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte("verified")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, payload)
	if err := errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, []byte("forged!!"), 0o600)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 8)
	if _, err := f.ReadAt(got, 0); err != nil || string(got) != "verified" || f.Len() != 8 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestPlantedCache(t *testing.T) {
	elsewhere := t.TempDir()
	if err := os.Chmod(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		root  bool
		plant func(path string) error
		want  string
	}{
		"link":                {false, func(path string) error { return os.Symlink(elsewhere, path) }, unix.ENOTDIR.Error()},
		"dangling link":       {false, func(path string) error { return os.Symlink("missing", path) }, unix.ENOTDIR.Error()},
		"file":                {false, func(path string) error { return os.WriteFile(path, nil, 0o700) }, unix.ENOTDIR.Error()},
		"FIFO":                {false, func(path string) error { return unix.Mkfifo(path, 0o700) }, unix.ENOTDIR.Error()},
		"readable by others":  {false, mkdir(0o755), "mode 0755"},
		"listable by one":     {false, mkdir(0o704), "mode 0704"},
		"writable by a group": {false, mkdir(0o770), "mode 0770"},
		"open to all":         {false, mkdir(0o777 | os.ModeSticky), "mode 1777"},
		"foreign owner": {true, func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, nobody, nobody))
		}, "user 65534"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root {
				needsRoot(t)
			}
			state := t.TempDir()
			path := filepath.Join(state, "cache")
			if err := c.plant(path); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if d, err := Open(state); d != nil || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if after, err := os.Lstat(path); err != nil || after.Mode() != before.Mode() || !os.SameFile(before, after) {
				t.Errorf("what was planted changed: %v, %v", after, err)
			}
			if found, err := os.ReadDir(elsewhere); err != nil || len(found) > 0 {
				t.Errorf("elsewhere is %v, %v", found, err)
			}
		})
	}
}

func mkdir(mode os.FileMode) func(string) error {
	return func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)) }
}
