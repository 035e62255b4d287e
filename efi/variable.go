// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"golang.org/x/sys/unix"
)

// The loader's variables: systemd.io/BOOT_LOADER_INTERFACE.
const (
	entrySelected = "LoaderEntrySelected"
	entryDefault  = "LoaderEntryDefault"
	loaderVendor  = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
)

const (
	// variableAttributes: kept over a power cycle, for boot loader and system
	// (UEFI 2.10, 8.2 Variable Services: NON_VOLATILE, BOOTSERVICE_ACCESS,
	// RUNTIME_ACCESS). efivarfs has them before the value, little-endian
	// (Documentation/filesystems/efivarfs.rst in Linux).
	variableAttributes = 0x1 | 0x2 | 0x4
	attributesBytes    = 4
	// maxVariableBytes is twice what a file name takes in UTF-16.
	maxVariableBytes = attributesBytes + 1024
	// maxDefaultBytes is the longest file name.
	maxDefaultBytes = 255
	// immutableFlag is FS_IMMUTABLE_FL of linux/fs.h.
	immutableFlag = 0x10
)

// variable is the file of an EFI variable that holds a string. An empty path is
// of a system without variables.
type variable struct{ path string }

func (p *Partition) variable(name string) variable {
	if p.options.VariablesDir == "" {
		return variable{}
	}
	return variable{filepath.Join(p.options.VariablesDir, name+"-"+loaderVendor)}
}

// variablesWritable is also true of a plain folder, except on a real machine:
// there an empty folder of sysfs is in the place where efivarfs is not mounted.
func (p *Partition) variablesWritable() bool {
	dir := p.options.VariablesDir
	if dir == "" || unix.Access(dir, unix.W_OK) != nil {
		return false
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return false
	}
	return !p.options.RealESP || uint32(s.Type) == unix.EFIVARFS_MAGIC //nolint:gosec // 32 bits everywhere
}

// SetDefault makes systemd-boot prefer the entries that match value, a pattern
// of [DefaultPattern] or an entry's identifier. "" deletes the variable.
// ErrNoVariables when that is not possible here.
func (p *Partition) SetDefault(value string) error {
	if err := checkDefault(value); err != nil {
		return fmt.Errorf("variable %s: %w", entryDefault, err)
	}
	v := p.variable(entryDefault)
	current, err := v.read()
	if err == nil && current == value {
		return nil // spares the flash memory, which wears
	}
	if value == "" {
		err = v.remove()
	} else {
		err = v.write(value)
	}
	if err != nil {
		return fmt.Errorf("variable %s: %w: %w", entryDefault, ErrNoVariables, err)
	}
	return nil
}

func checkDefault(value string) error {
	if len(value) > maxDefaultBytes {
		return fmt.Errorf("value of %d bytes, at most %d are allowed", len(value), maxDefaultBytes)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Errorf("value %.80q: not printable ASCII", value)
	}
	return nil
}

// read returns "" for a variable that is not set. A value that is too long is
// cut.
func (v variable) read() (string, error) {
	if v.path == "" {
		return "", nil
	}
	f, err := os.OpenFile(v.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxVariableBytes))
	if err != nil || len(data) < attributesBytes {
		return "", err // no attributes: deleted while we look
	}
	return decodeString(data[attributesBytes:]), nil
}

// decodeString reads UTF-16 up to the first NUL, with or without one.
func decodeString(data []byte) string {
	var units []uint16
	for ; len(data) >= 2; data = data[2:] {
		unit := binary.LittleEndian.Uint16(data)
		if unit == 0 {
			break
		}
		units = append(units, unit)
	}
	return string(utf16.Decode(units))
}

// write stores a string of ASCII and reads it back: firmware fails in many ways.
func (v variable) write(value string) error {
	if v.path == "" {
		return errors.New("no folder of variables")
	}
	immutable, err := v.setImmutable(false)
	if err != nil {
		return err
	}
	err = v.store(value)
	if immutable {
		_, again := v.setImmutable(true)
		err = errors.Join(err, again)
	}
	if err != nil {
		return err
	}
	stored, err := v.read()
	if err == nil && stored != value {
		err = fmt.Errorf("%.80q was stored instead", stored)
	}
	return err
}

// store writes attributes and value in the one call that efivarfs demands.
// There is no fsync(2): efivarfs has none, its write(2) returns when the
// firmware is done.
func (v variable) store(value string) error {
	data := binary.LittleEndian.AppendUint32(nil, variableAttributes)
	for _, c := range []byte(value + "\x00") {
		data = append(data, c, 0)
	}
	f, err := os.OpenFile(v.path, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = cutTail(f, int64(len(data)))
	}
	return errors.Join(err, f.Close())
}

// cutTail ends a file that was longer before. In efivarfs it never is after a
// write; O_TRUNC there would be one write of the flash memory more.
func cutTail(f *os.File, sizeBytes int64) error {
	info, err := f.Stat()
	if err != nil || info.Size() <= sizeBytes {
		return err
	}
	return f.Truncate(sizeBytes)
}

func (v variable) remove() error {
	if v.path == "" {
		return nil
	}
	if _, err := v.setImmutable(false); err != nil {
		return err
	}
	err := unix.Unlink(v.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return pathError("unlink", v.path, err)
}

// setImmutable sets or clears the flag with which efivarfs guards variables
// against "rm -rf" (chattr(1), i), and tells whether it was set. A variable
// that is not there, and a file system without such flags, have it not.
func (v variable) setImmutable(on bool) (was bool, err error) {
	f, err := os.OpenFile(v.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	was = flags&immutableFlag != 0
	if was == on {
		return was, nil
	}
	return was, unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags^immutableFlag))
}
