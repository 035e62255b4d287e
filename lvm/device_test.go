// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/lvm/lvmtest"
	"golang.org/x/sys/unix"
)

// descriptors are the open descriptors of this process; true are those that
// programs it starts would inherit.
func descriptors(t *testing.T) map[string]bool {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	inherited := map[string]bool{}
	for _, link := range links {
		fd, err := strconv.ParseUint(filepath.Base(link), 10, 0)
		if err != nil {
			t.Fatal(err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			inherited[link] = flags&unix.FD_CLOEXEC == 0
		}
	}
	return inherited
}

func TestNoDescriptorIsLeft(t *testing.T) {
	group, root := newGroup(t)
	directory, image := newImage(t)
	before := descriptors(t)
	for range 3 {
		for _, b := range []lvmtest.Backend{group, directory} {
			d, err := b.Open(t.Context(), "core_1")
			if err != nil {
				t.Fatal(err)
			}
			for link, inherited := range descriptors(t) {
				if inherited && !before[link] {
					t.Errorf("%s would be inherited", link)
				}
			}
			if _, err := b.Open(t.Context(), "core_1"); err == nil {
				t.Error("opened twice")
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if _, err := b.Open(t.Context(), "core_9"); err == nil {
				t.Error("opened what is missing")
			}
			if _, err := b.Survey(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	if after := descriptors(t); !maps.Equal(after, before) {
		t.Errorf("descriptors %v, before %v", after, before)
	}
	for _, path := range []string{filepath.Join(root, "dev/mainvg/core_1"), image} {
		f := openFile(t, path, os.O_RDWR|unix.O_EXCL)
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Programs that are started at the same moment do not keep a closed volume in
// use.
func TestCloseWhileForking(t *testing.T) {
	directory, _ := newImage(t)
	stop := make(chan struct{})
	var forks sync.WaitGroup
	defer forks.Wait()
	defer close(stop)
	for range 4 {
		forks.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = exec.CommandContext(t.Context(), "/bin/true").Run()
				}
			}
		})
	}
	for range 500 {
		d, err := directory.Open(t.Context(), "core_1")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAlignedBuffer(t *testing.T) {
	for _, n := range []int{0, 1, 4095, 4096, 1<<20 + 1} {
		for range 100 {
			b := lvm.AlignedBuffer(n)
			if len(b) != n || cap(b) != n || !lvm.IsAligned(b) {
				t.Fatalf("%d bytes at %p, capacity %d, want %d", len(b), b, cap(b), n)
			}
		}
	}
}
