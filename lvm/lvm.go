// SPDX-License-Identifier: LGPL-2.1-or-later

// Package lvm keeps the volumes that hold system images: it lists them, makes
// and renames them, and writes one. It decides nothing: which volume may be
// overwritten, and when, is the caller's business.
//
// # Backends
//
// [Group] is a volume group of the Linux Logical Volume Manager, driven by its
// own tool, <root>/usr/sbin/lvm, and written through <root>/dev/<group>/<name>.
// [Directory] is a folder of image files, for trying out and for tests. Both
// have the same methods and keep the same promises; one suite, package
// lvmtest, holds them to it.
//
// # In use
//
// Overwriting the volume of a running system destroys it, so this rests on
// what the kernel knows, not on names. A logical volume is opened exclusively,
// which mounts, swap and every device mapped onto it exclude, and that
// descriptor is the one written to. Before that it must be neither open
// anywhere, nor beneath another device, nor beneath the root file system. An
// image file must be a regular file with one name; it is locked, and a lease
// tells whether anybody else has it open. Everything else is [ErrInUse].
//
// # Power cuts
//
// LVM commits its metadata in three writes: the text, a header that announces
// it, and the header that points to it. It asks for no flush between them, and
// a drive that reorders them can lose the group, and then nothing boots. So
// this package never changes metadata that need no change, flushes every
// physical volume before and after each change, and holds each write of the
// tool until what it wrote before is flushed. Where the kernel has no way to
// hold them, after a change of which none was held, and of a group that keeps
// its metadata only once, it warns. A change that has begun comes to its end.
//
// What was written to a volume is safe after [Device.Flush], and what is read
// by [Device.ReadBackAt] comes from the device, not from memory: so a bad disk
// is found while the old system can still be booted.
package lvm

// Volume is a logical volume, or an image file of a [Directory].
type Volume struct {
	// Name is without the group, e.g. "core_5.0.0-alpha.1".
	Name      string
	SizeBytes int64
	// InUse is what is known without opening the volume. False is no
	// promise: only Open finds out all of it. A volume that is open in this
	// very process is in use too.
	InUse bool
}

// Survey is what a group holds at one moment.
type Survey struct {
	Volumes []Volume // sorted by name
	// FreeBytes is the room there is for new volumes.
	FreeBytes int64
	// NewSizeBytes is what a new volume will hold and, unless Sparse, take of
	// FreeBytes: the configured size in whole extents.
	NewSizeBytes int64
	// Sparse tells that new volumes take room only as they are written.
	Sparse bool
	// Warnings are for the administrator; nothing fails because of them.
	Warnings []string
}

// Device is a volume that this process has opened, exclusively.
type Device interface {
	// SizeBytes is the capacity, which never changes.
	SizeBytes() int64
	// WriteAt takes any length and offset. It goes past the page cache where
	// both are multiples of 4096 and p comes from [AlignedBuffer], which is
	// how to write much. It never extends the volume: bytes beyond its end
	// are an error and nothing is written. A full file system beneath an
	// image file is [ErrNoSpace].
	WriteAt(p []byte, off int64) (int, error)
	// Flush returns when all that was written is on stable storage, the
	// drive's own cache included.
	Flush() error
	// Discard declares the bytes from off to the end unneeded. In an image
	// file they read as zeros afterwards; of a block device only those up to
	// the next multiple of 4096 surely do.
	Discard(off int64) error
	// ReadBackAt is [io.ReaderAt] on what the device holds.
	ReadBackAt(p []byte, off int64) (int, error)
	// Close gives the volume free. It does not flush.
	Close() error
}
