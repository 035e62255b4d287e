// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// snapshot describes every file below a folder, by its path.
type snapshot map[string]string

const (
	stateDir  = "var/lib/updater"
	stateFile = stateDir + "/state.json"
	cacheDir  = stateDir + "/cache"
	// lockDir is the LVM tools' own.
	lockDir = "run/lock"
)

// checked is what a check legitimately records.
var checked = []string{"last_check", "last_success", "failed_checks", "available_version"}

// take describes all below root but what is in the cache and LVM's locks.
func take(t *testing.T, root string) snapshot {
	t.Helper()
	s := snapshot{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if s[name], err = describe(path, name); err != nil {
			return err
		}
		if name == lockDir {
			delete(s, name)
			return fs.SkipDir
		}
		if name == cacheDir && d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func describe(path, name string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", err
	}
	// The record is replaced, not changed, and with it the folder's time.
	if name == stateFile {
		text, err := stateWithoutChecks(path)
		return fmt.Sprintf("mode %o owner %d:%d %s", st.Mode, st.Uid, st.Gid, text), err
	}
	text := fmt.Sprintf("inode %d mode %o owner %d:%d names %d device %d", st.Ino, st.Mode, st.Uid, st.Gid, st.Nlink, st.Rdev)
	if name != stateDir && name != cacheDir {
		text += fmt.Sprintf(" changed %d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
	}
	var content string
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		content, err = os.Readlink(path)
	case unix.S_IFREG:
		content, err = digest(path)
	}
	return text + " " + content, err
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return fmt.Sprintf("%d bytes %x", n, h.Sum(nil)), err
}

func stateWithoutChecks(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var record map[string]json.RawMessage
	if err := json.Unmarshal(data, &record); err != nil {
		return "", err
	}
	for _, name := range checked {
		delete(record, name)
	}
	data, err = json.Marshal(record)
	return string(data), err
}

// sameAs asserts that nothing changed.
func (s snapshot) sameAs(t *testing.T, before snapshot) {
	t.Helper()
	if changes := s.since(before); len(changes) > 0 {
		t.Errorf("the machine changed:\n%s", strings.Join(changes, "\n"))
	}
}

// since lists what is not as it was.
func (s snapshot) since(before snapshot) (changes []string) {
	for name, is := range s {
		if was, found := before[name]; !found {
			changes = append(changes, fmt.Sprintf("%s: new: %s", name, is))
		} else if was != is {
			changes = append(changes, fmt.Sprintf("%s: was %s\n\tis %s", name, was, is))
		}
	}
	for name := range before {
		if _, found := s[name]; !found {
			changes = append(changes, name+": gone")
		}
	}
	slices.Sort(changes)
	return changes
}
