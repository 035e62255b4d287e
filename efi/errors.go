// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import "errors"

// What can be wrong with the EFI system partition, by meaning.
var (
	ErrNotMounted = errors.New("EFI system partition not mounted")
	ErrNoSpace    = errors.New("not enough space in the EFI system partition")
	// ErrCutShort: a PE image ends before its own headers say.
	ErrCutShort = errors.New("cut short")
	// ErrNoVariables: the loader's variables cannot be written here.
	ErrNoVariables = errors.New("EFI variables cannot be written")
)

var errNotPE = errors.New("not a PE image")

// errForeign refuses a name or a thing that this product has no right to touch.
var errForeign = errors.New("not an entry of this product")
