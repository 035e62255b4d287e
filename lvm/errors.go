// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import "errors"

// What can be wrong with a group or a volume, by meaning.
var (
	ErrGroupNotFound = errors.New("volume group not found")
	ErrNotFound      = errors.New("volume not found")
	ErrInUse         = errors.New("volume in use")
	ErrNoSpace       = errors.New("not enough space in the volume group")
)
