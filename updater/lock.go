// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const lockFile = "lock"

// prepareState makes the state folder where it is missing. It must be ours
// alone, because the payloads in it are written to a disk.
func prepareState(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s: belongs to user %d, must belong to user %d", ErrConfigInvalid, dir, st.Uid, os.Geteuid())
	}
	// A folder made by an earlier client may be open to all; closing it loses nothing.
	if st.Mode&0o077 != 0 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// lock makes sure that one process works on a state folder at a time. The
// kernel drops the lock with the process, however it ends.
func lock(state string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(state, lockFile), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close() //nolint:errcheck // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is locked by another process: %w", state, ErrBusy)
		}
		return nil, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return f, nil
}
