// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// sysfs is where the kernel shows its devices, normally "/sys". Block devices
// are named "major:minor" in it. What is not there has nothing to tell:
// the exclusive open does not depend on it.
type sysfs string

// deviceNumber is the name of a device under dev/block.
func deviceNumber(dev uint64) string {
	return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))
}

// holders are the devices built directly on top of dev, e.g. "dm-3".
func (s sysfs) holders(dev string) ([]string, error) {
	return list(filepath.Join(string(s), "dev/block", dev, "holders"))
}

// beneath is dev and all devices it is built on. A root file system on btrfs,
// overlayfs or tmpfs has a device number without a block device: nothing is
// beneath it then.
func (s sysfs) beneath(dev string) (map[string]bool, error) {
	found := map[string]bool{}
	for queue := []string{dev}; len(queue) > 0; queue = queue[1:] {
		if found[queue[0]] {
			continue
		}
		found[queue[0]] = true
		slaves, err := s.slaves(queue[0])
		if err != nil {
			return nil, err
		}
		queue = append(queue, slaves...)
	}
	return found, nil
}

func (s sysfs) slaves(dev string) ([]string, error) {
	folder := filepath.Join(string(s), "dev/block", dev, "slaves")
	names, err := list(folder)
	if err != nil {
		return nil, err
	}
	var numbers []string
	for _, name := range names {
		number, err := os.ReadFile(filepath.Join(folder, name, "dev"))
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, strings.TrimSpace(string(number)))
	}
	return numbers, nil
}

// inode identifies a file whatever it is called.
type inode struct{ device, number uint64 }

// loopFiles maps each file that backs a loop device to that device's name.
func (s sysfs) loopFiles() (map[inode]string, error) {
	devices, err := list(filepath.Join(string(s), "block"))
	if err != nil {
		return nil, err
	}
	files := map[inode]string{}
	for _, device := range devices {
		path, err := os.ReadFile(filepath.Join(string(s), "block", device, "loop/backing_file"))
		if err != nil {
			continue // not a loop device, or an idle one
		}
		// A file that was removed since has no path any more.
		var st unix.Stat_t
		if unix.Stat(strings.TrimSuffix(string(path), "\n"), &st) == nil {
			files[inode{st.Dev, st.Ino}] = device
		}
	}
	return files, nil
}

// list returns the names in a folder; a folder that is missing has none.
func list(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}
