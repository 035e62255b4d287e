// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLock(t *testing.T) {
	dir := stateFolder(t)
	first, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		second, err := lock(dir)
		if !errors.Is(err, ErrBusy) || second != nil || !strings.Contains(err.Error(), dir) {
			t.Fatalf("%v, error %v, want %v", second, err, ErrBusy)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	third.Close()
}

func TestLockFollowsNoLink(t *testing.T) {
	refused := func(t *testing.T, target string) {
		t.Helper()
		dir := stateFolder(t)
		if err := os.Symlink(target, filepath.Join(dir, lockFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := lock(dir); !errors.Is(err, unix.ELOOP) || errors.Is(err, ErrBusy) {
			t.Errorf("error %v, want %v", err, unix.ELOOP)
		}
	}
	t.Run("dangling", func(t *testing.T) {
		target := filepath.Join(t.TempDir(), "target")
		refused(t, target)
		if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the target was made: %v", err)
		}
	})
	t.Run("file", func(t *testing.T) {
		target := filepath.Join(t.TempDir(), "target")
		if err := os.WriteFile(target, []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
		refused(t, target)
		if data, err := os.ReadFile(target); err != nil || string(data) != "content" {
			t.Errorf("the target is %q, %v", data, err)
		}
	})
}

// One process works on a state folder at a time, and gives it back, also when
// it could not begin.
func TestOpenLocks(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	c := s.load()
	begin := func() (*Updater, error) {
		u, _, err := Open(c, s.paths)
		return u, err
	}
	first, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := begin(); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v, want %v", err, ErrBusy)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	cache := filepath.Join(s.paths.State, "cache")
	if err := os.Chmod(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := begin(); err == nil || errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), cache) {
		t.Errorf("a cache open to all: error %v", err)
	}
	if err := os.Chmod(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	second, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestPrepareState(t *testing.T) {
	private := func(t *testing.T, dir string) {
		t.Helper()
		if info, err := os.Stat(dir); err != nil || info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%v, %v", info, err)
		}
	}
	t.Run("missing", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "var", "lib", "updater")
		if err := prepareState(dir); err != nil {
			t.Fatal(err)
		}
		private(t, dir)
	})
	for _, mode := range []os.FileMode{0o700, 0o755, 0o770, 0o701, 0o777, 0o777 | os.ModeSticky} {
		t.Run(mode.String(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, mode)); err != nil {
				t.Fatal(err)
			}
			if err := prepareState(dir); err != nil {
				t.Fatal(err)
			}
			private(t, dir)
		})
	}
	t.Run("a file", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(dir, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := prepareState(dir); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("error %v, want %v", err, unix.ENOTDIR)
		}
	})
}

// A folder of somebody else's is refused, and nothing is done in it.
func TestStateOfAnother(t *testing.T) {
	needsRoot(t)
	for _, mode := range []os.FileMode{0o700, 0o777} {
		s := newSystem(t, "5.0.0-alpha.1")
		if err := os.MkdirAll(s.paths.State, 0o700); err != nil {
			t.Fatal(err)
		}
		s.change("/var/lib/updater", nobody, nobody, mode)
		_, _, err := Open(s.load(), s.paths)
		if !errors.Is(err, ErrConfigInvalid) || !strings.Contains(err.Error(), "/var/lib/updater: belongs to user 65534") {
			t.Errorf("error %v, want %v", err, ErrConfigInvalid)
		}
		if left := names(t, s.paths.State); len(left) > 0 {
			t.Errorf("the folder has %q", left)
		}
		if info, err := os.Stat(s.paths.State); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%v, %v", info, err)
		}
	}
}

func TestNewPaths(t *testing.T) {
	for name, c := range map[string]struct {
		root, config, remote, state string
		want                        Paths
		real                        bool
	}{
		"nothing given":     {"", "", "", "", Paths{"/", "/usr/lib/updater", "/etc/updater", "/var/lib/updater", ""}, true},
		"the root":          {"/", "", "", "", Paths{"/", "/usr/lib/updater", "/etc/updater", "/var/lib/updater", ""}, true},
		"the root, spelled": {"//.", "", "", "", Paths{"//.", "/usr/lib/updater", "/etc/updater", "/var/lib/updater", ""}, true},
		"a folder":          {"/tmp/x", "", "", "", Paths{"/tmp/x", "/tmp/x/usr/lib/updater", "/tmp/x/etc/updater", "/tmp/x/var/lib/updater", ""}, false},
		"a relative one":    {"x", "", "", "", Paths{"x", "x/usr/lib/updater", "x/etc/updater", "x/var/lib/updater", ""}, false},
		"all given":         {"/tmp/x", "/a", "b", "/c/", Paths{"/tmp/x", "/a", "b", "/c/", ""}, false},
		"one given":         {"/tmp/x", "", "/b", "", Paths{"/tmp/x", "/tmp/x/usr/lib/updater", "/b", "/tmp/x/var/lib/updater", ""}, false},
	} {
		got := NewPaths(c.root, c.config, c.remote, c.state)
		if got != c.want || got.IsReal() != c.real {
			t.Errorf("%s: %+v, real %v", name, got, got.IsReal())
		}
	}
	if got := NewPaths("/tmp/x", "", "", "").At("/etc/../run/update_ready"); got != "/tmp/x/run/update_ready" {
		t.Errorf("at %s", got)
	}
}
