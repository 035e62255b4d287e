// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"errors"
	"testing"
)

func TestCheckRelease(t *testing.T) {
	for release, ordered := range map[string]bool{
		"6.18.44": true, "5.5.0-1-amd64": true, "5.10.0": true, "6.1": true,
		"5.4.0-216-generic": false, "4.19.0": false, "": false, "next": false,
	} {
		if err := checkRelease(release); (err == nil) != ordered || err != nil && !errors.Is(err, errUnordered) {
			t.Errorf("%q: %v", release, err)
		}
	}
}
