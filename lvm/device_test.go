// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm_test

import (
	"bytes"
	"errors"
	"fmt"
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

// A disk whose blocks are larger than ours cannot be written directly: all
// goes through the page cache then.
func TestLargeBlocks(t *testing.T) {
	var major, minor int
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	_, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor)
	if err != nil || major < 6 || major == 6 && minor < 15 {
		t.Skip("loop devices have blocks of more than 4096 bytes only since Linux 6.15")
	}
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	g, root := newGroup(t)
	link := filepath.Join(root, "dev/mainvg/core_1")
	err = errors.Join(os.Remove(link), os.Symlink(lvmtest.AttachLoop(t, file, "--sector-size=8192"), link))
	if err != nil {
		t.Fatal(err)
	}
	d, err := g.Open(t.Context(), "core_1")
	if err != nil {
		t.Fatal(err)
	}
	content := lvm.AlignedBuffer(1 << 20)
	for i := range content {
		content[i] = byte(i % 251)
	}
	for _, r := range []struct{ from, to int }{{0, 4096}, {4096, 12288}, {12288, 1 << 20}} {
		part := content[r.from:r.to]
		if n, err := d.WriteAt(part, int64(r.from)); n != len(part) || err != nil {
			t.Fatalf("%+v: %d, %v", r, n, err)
		}
		back := lvm.AlignedBuffer(len(part))
		if n, err := d.ReadBackAt(back, int64(r.from)); n != len(part) || err != nil || !bytes.Equal(back, part) {
			t.Fatalf("%+v back: %d, %v", r, n, err)
		}
	}
	if err := errors.Join(d.Flush(), d.Close()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(node(t, root, "core_1"), content) {
		t.Error("not what was written")
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
