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

// cache is the folder for what outlives a run. While it is open no other run
// can open it.
type cache struct {
	dir  string
	lock *os.File
}

// openCache waits for another run to end, and removes what one that was
// killed has left.
func openCache() (*cache, error) {
	dir := filepath.Join(cmp.Or(os.Getenv("XDG_CACHE_HOME"), "/var/cache"), "clipos-updater-vm")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		fmt.Println("waiting for another run to end")
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	left, err := filepath.Glob(filepath.Join(dir, "run-*"))
	for _, run := range left {
		// A group of the killed run may still be attached; without one this
		// fails, which is as well.
		_, _ = output(context.Background(), lvmroot, "detach", filepath.Join(run, groupDir))
		err = errors.Join(err, os.RemoveAll(run))
	}
	return &cache{dir, lock}, err
}

func (c *cache) Close() error { return c.lock.Close() }

// base returns the folder with the tree and the kernel that base.sh makes. It
// is made again when the packages or the script have changed.
func (c *cache) base(ctx context.Context) (string, error) {
	key, err := baseKey()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(c.dir, "base-"+key)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	others, err := filepath.Glob(filepath.Join(c.dir, "base-*"))
	for _, other := range others {
		err = errors.Join(err, os.RemoveAll(other))
	}
	made := dir + ".new"
	err = errors.Join(err, os.Mkdir(made, 0o755))
	if err == nil {
		script, _ := filepath.Abs("base.sh") // fails without a working folder only
		_, err = output(ctx, script, append([]string{made}, guestPackages...)...)
	}
	if err != nil {
		return "", fmt.Errorf("base of the machine: %w", err)
	}
	return dir, os.Rename(made, dir)
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
