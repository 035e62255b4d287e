// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import "io"

// NewEntry returns the entry that an image will be once it has that file name,
// for [Sort] to say where systemd-boot will list it.
func NewEntry(product, file string, image io.ReaderAt, sizeBytes int64) Entry {
	e := Entry{File: file, SizeBytes: sizeBytes}
	e.Name, e.Ours = ParseName(product, file)
	e.Damaged = e.read(image)
	return e
}
