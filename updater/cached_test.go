// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What is planted in the cache ends an update before it touches anything, the
// planted thing's target included.
func TestPlantedInTheCache(t *testing.T) {
	for kind, plant := range map[string]func(target, path string) error{
		"symbolic link": os.Symlink,
		"hard link":     os.Link,
		"FIFO":          func(_, path string) error { return unix.Mkfifo(path, 0o600) },
		"folder":        func(_, path string) error { return os.Mkdir(path, 0o700) },
		"foreign owner": func(_, path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, nobody, nobody))
		},
	} {
		for _, name := range []string{"5.0.0-alpha.3-core", "5.0.0-alpha.3-efiboot.validator"} {
			t.Run(kind+" for "+name, func(t *testing.T) {
				if kind == "foreign owner" {
					needsRoot(t)
				}
				s := newSystem(t, "5.0.0-alpha.1")
				s.has("5.0.0-alpha.0")
				s.write("/etc/shadow", "what must not change")
				u := s.open()
				defer u.Close()
				path := filepath.Join(s.paths.State, "cache", name)
				if err := plant(s.paths.At("/etc/shadow"), path); err != nil {
					t.Fatal(err)
				}
				before := s.disk()
				soon(t, func() {
					if err := s.updateWith(t.Context(), u); err == nil || !strings.Contains(err.Error(), path) {
						t.Errorf("error %v, want one about %s", err, path)
					}
				})
				s.sameDisk(before)
				if data, err := os.ReadFile(s.paths.At("/etc/shadow")); string(data) != "what must not change" {
					t.Errorf("the target is %q, %v", data, err)
				}
			})
		}
	}
}

func TestCacheTooSmall(t *testing.T) {
	needsRoot(t)
	s := newSystem(t, "5.0.0-alpha.1")
	s.has("5.0.0-alpha.0")
	if err := os.MkdirAll(s.paths.State, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", s.paths.State, "tmpfs", 0, "size=128k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(s.paths.State, unix.MNT_DETACH) })
	before := s.disk()
	if err := s.update(); !errors.Is(err, ErrNoSpaceCache) {
		t.Errorf("error %v, want %v", err, ErrNoSpaceCache)
	}
	s.sameDisk(before)
	if got := s.asked("-core"); len(got) != 1 || !strings.HasPrefix(got[0], "HEAD ") {
		t.Errorf("asked for %q", got)
	}
}
