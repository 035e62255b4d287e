// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// guestPackages are Debian's packages inside the machine.
var guestPackages = []string{
	"systemd", "systemd-sysv", "dbus", "udev", "lvm2", "polkitd", "kmod", "dosfstools", "ca-certificates", "iproute2",
	"cryptsetup-bin", "e2fsprogs", "systemd-boot", "attr", "procps",
	"fdisk", "openssh-server",
}

// cache is the folder for what outlives a run. Runs that go on at the same time
// share it: each holds the lock of its own folder and of the base it uses, and
// nobody removes what is locked.
type cache struct{ dir string }

// openCache removes what runs that were killed have left.
func openCache() (cache, error) {
	c := cache{filepath.Join(cmp.Or(os.Getenv("XDG_CACHE_HOME"), "/var/cache"), "clipos-updater-vm")}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return c, err
	}
	changing, err := c.change()
	if err != nil {
		return c, err
	}
	return c, errors.Join(c.removeOthers("run-*", detachGroup), changing.Close())
}

// change gives the right to make and remove folders of the cache, for as long
// as what it returns is open.
func (c cache) change() (*os.File, error) {
	lock, err := os.Create(filepath.Join(c.dir, "lock"))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// removeOthers removes the folders that nobody uses.
func (c cache) removeOthers(pattern string, before func(dir string)) error {
	dirs, err := filepath.Glob(filepath.Join(c.dir, pattern))
	for _, dir := range dirs {
		lock, lockErr := lockFolder(dir, syscall.LOCK_EX)
		if errors.Is(lockErr, syscall.EWOULDBLOCK) {
			continue
		}
		if lockErr == nil {
			before(dir)
			lockErr = errors.Join(os.RemoveAll(dir), lock.Close())
		}
		err = errors.Join(err, lockErr)
	}
	return err
}

// lockFolder does not wait.
func lockFolder(dir string, how int) (*os.File, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(folder.Fd()), how|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return folder, nil
}

// detachGroup frees the loop devices of a run that was killed. Without any it
// fails, which is as well.
func detachGroup(run string) {
	_, _ = output(context.Background(), lvmroot, "detach", filepath.Join(run, groupDir))
}

// run makes the folder of this run, which is its own until what is returned is
// closed.
func (c cache) run() (dir string, lock *os.File, err error) {
	changing, err := c.change()
	if err != nil {
		return "", nil, err
	}
	defer changing.Close()
	if dir, err = os.MkdirTemp(c.dir, "run-"); err != nil {
		return "", nil, err
	}
	lock, err = lockFolder(dir, syscall.LOCK_EX)
	return dir, lock, err
}

// base returns the folder with the tree and the kernel that base.sh makes. It
// is made again when the packages or the script have changed, and stays until
// what is returned is closed.
func (c cache) base(ctx context.Context) (dir string, lock *os.File, err error) {
	key, err := baseKey()
	if err != nil {
		return "", nil, err
	}
	changing, err := c.change()
	if err != nil {
		return "", nil, err
	}
	defer changing.Close()
	dir = filepath.Join(c.dir, "base-"+key)
	if _, err = os.Stat(dir); err != nil {
		err = errors.Join(c.removeOthers("base-*", func(string) {}), makeBase(ctx, dir))
	}
	if err == nil {
		lock, err = lockFolder(dir, syscall.LOCK_SH)
	}
	if err != nil {
		return "", nil, fmt.Errorf("base of the machine: %w", err)
	}
	return dir, lock, nil
}

func makeBase(ctx context.Context, dir string) error {
	made := dir + ".new"
	if err := os.Mkdir(made, 0o755); err != nil {
		return err
	}
	script, err := filepath.Abs("base.sh")
	if err == nil {
		_, err = output(ctx, script, append([]string{made}, guestPackages...)...)
	}
	if err != nil {
		return err
	}
	return os.Rename(made, dir)
}

func baseKey() (string, error) {
	script, err := os.Open("base.sh")
	if err != nil {
		return "", err
	}
	defer script.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, script); err != nil {
		return "", err
	}
	io.WriteString(hash, strings.Join(guestPackages, " "))
	return fmt.Sprintf("%x", hash.Sum(nil)[:8]), nil
}
