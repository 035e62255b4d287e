// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxConfigBytes is far more than any configuration or certificate bundle.
const maxConfigBytes = 1 << 20

// access says who may write a file that is trusted.
type access func(unix.Stat_t) error

// rootOnly is for what decides about trust: it belongs to root, or to whom
// this process runs as, and nobody else writes to it.
func rootOnly(st unix.Stat_t) error {
	switch {
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("belongs to user %d, must belong to root", st.Uid)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("mode %04o lets others write, must be writable by its owner only", st.Mode&0o7777)
	}
	return nil
}

// notByOthers is for what an administrator sets: on CLIP OS the files belong
// to admin:root with mode 0640. A group's right to write counts only as
// root's own.
func notByOthers(st unix.Stat_t) error {
	if st.Mode&0o002 != 0 || st.Mode&0o020 != 0 && st.Gid != 0 {
		return fmt.Errorf("mode %04o lets others write", st.Mode&0o7777)
	}
	return nil
}

// checkAccess follows symbolic links: on CLIP OS /etc/updater is one.
func checkAccess(path string, allowed access) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	if err := allowed(st); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readTrusted reads a file after checking it and its folder.
func readTrusted(file string, allowed access) ([]byte, error) {
	if err := checkAccess(filepath.Dir(file), allowed); err != nil {
		return nil, err
	}
	f, st, err := openRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := allowed(st); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return readBounded(f)
}

// openRegular opens a regular file to read, and says whose it is.
func openRegular(file string) (*os.File, unix.Stat_t, error) {
	var st unix.Stat_t
	// O_NONBLOCK: a FIFO in the file's place must not hold us up.
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, st, err
	}
	if err = unix.Fstat(int(f.Fd()), &st); err != nil {
		err = &os.PathError{Op: "stat", Path: file, Err: err}
	} else if st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fmt.Errorf("%s: not a regular file", file)
	}
	if err != nil {
		f.Close() //nolint:errcheck // nothing was read
		return nil, st, err
	}
	return f, st, nil
}

func readBounded(f *os.File) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err == nil && len(data) > maxConfigBytes {
		err = fmt.Errorf("%s: larger than %d bytes", f.Name(), maxConfigBytes)
	}
	return data, err
}
