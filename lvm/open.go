// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// openPath opens what path names in folder without touching it: O_PATH, see
// open(2). A FIFO does not block and a device does not notice. Whoever opens
// the result again, with reopen, has what was examined in between.
func openPath(folder int, path string, flags int) (*os.File, error) {
	fd, err := unix.Openat(folder, path, unix.O_PATH|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// reopen opens the very file that f is, whatever it is called by now.
func reopen(f *os.File, flags int) (*os.File, error) {
	fd, err := unix.Open(procPath(f), unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: f.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// procPath leads to the very file that f is: proc_pid_fd(5).
func procPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// A child of this process that is between fork and exec has copies of all our
// descriptors, so what was closed here may stay locked and claimed for an
// instant.
const (
	claimChecks = 20
	claimDelay  = 25 * time.Millisecond
)

// awaitFree repeats try, at most so many times, while its answer is that the
// volume is in use.
func awaitFree(ctx context.Context, checks int, delay time.Duration, try func() error) error {
	for {
		err := try()
		if checks--; checks == 0 || !errors.Is(err, ErrInUse) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay):
		}
	}
}

// closeAll closes files, nil ones excepted.
func closeAll(files ...*os.File) error {
	var errs []error
	for _, f := range files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
