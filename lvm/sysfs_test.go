// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

type fakeDevice struct {
	number string
	slaves []string
}

// fakeSysfs makes a tree like the kernel's: each device, by its number, with
// the names of those it is built on.
func fakeSysfs(t *testing.T, devices map[string]fakeDevice) sysfs {
	t.Helper()
	root := t.TempDir()
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	folder := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	folder("dev/block")
	for name, device := range devices {
		folder("devices/" + name + "/slaves")
		folder("devices/" + name + "/holders")
		link("../../devices/"+name, "dev/block/"+device.number)
		if err := os.WriteFile(filepath.Join(root, "devices", name, "dev"), []byte(device.number+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, device := range devices {
		for _, slave := range device.slaves {
			link("../../"+slave, "devices/"+name+"/slaves/"+slave)
			link("../../"+name, "devices/"+slave+"/holders/"+name)
		}
	}
	return sysfs(root)
}

// clipos is how CLIP OS boots: dm-verity on a core volume is the root.
func clipos(t *testing.T) sysfs {
	t.Helper()
	return fakeSysfs(t, map[string]fakeDevice{
		"sda3": {"8:3", nil},
		"dm-0": {"253:0", []string{"sda3"}}, // crypt
		"dm-1": {"253:1", []string{"dm-0"}}, // core, running
		"dm-2": {"253:2", []string{"dm-1"}}, // verity
		"dm-3": {"253:3", []string{"dm-0"}}, // core, spare
	})
}

func TestBeneath(t *testing.T) {
	s := clipos(t)
	for dev, want := range map[string][]string{
		"253:2": {"253:0", "253:1", "253:2", "8:3"},
		"253:3": {"253:0", "253:3", "8:3"},
		"0:27":  {"0:27"}, // tmpfs and the like
	} {
		got, err := s.beneath(dev)
		if err != nil {
			t.Fatal(err)
		}
		if numbers := slices.Sorted(maps.Keys(got)); !slices.Equal(numbers, want) {
			t.Errorf("beneath %s: %q, want %q", dev, numbers, want)
		}
	}
}

func TestHolders(t *testing.T) {
	s := clipos(t)
	for dev, want := range map[string][]string{"253:1": {"dm-2"}, "253:0": {"dm-1", "dm-3"}, "253:3": {}, "9:9": {}} {
		if got, err := s.holders(dev); err != nil || !slices.Equal(got, want) {
			t.Errorf("holders of %s: %q, %v, want %q", dev, got, err, want)
		}
	}
}

func TestLoopFiles(t *testing.T) {
	root := t.TempDir()
	image := filepath.Join(t.TempDir(), "an image")
	for name, text := range map[string]string{
		image:                                   "",
		root + "/block/loop0/loop/backing_file": image + "\n",
		root + "/block/loop1/loop/backing_file": "/gone (deleted)\n",
		root + "/block/sda/size":                "8",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(image, &st); err != nil {
		t.Fatal(err)
	}
	got, err := sysfs(root).loopFiles()
	if want := map[inode]string{{st.Dev, st.Ino}: "loop0"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}
