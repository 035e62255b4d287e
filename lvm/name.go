// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"fmt"
	"strings"
)

// maxNameBytes is the longest name of a group or volume: NAME_LEN in lvm2's
// lib/metadata/metadata-exported.h, less the final NUL.
const maxNameBytes = 127

// checkName holds names of groups and volumes to lvm(8), "Valid names". What
// passes is safe as a path component and as an argument. Names that LVM
// reserves, like "snapshot…", are left to LVM to refuse.
func checkName(name string) error {
	switch {
	case name == "", name == ".", name == "..", name[0] == '-',
		len(name) > maxNameBytes, strings.ContainsFunc(name, notInNames):
		return fmt.Errorf("%.*q: not a valid volume name", maxNameBytes, name)
	}
	return nil
}

func notInNames(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("+_.-", r)
}
