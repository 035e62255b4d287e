// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"testing"
)

// What CLIP OS's own client was tested with: whatever the second volume is,
// afterwards there are the running version and the one that is offered.
func TestCLIPOS(t *testing.T) {
	const spare = "lv=/dev/mainvg/core_5.0.0-alpha.0; entry=/mnt/efiboot/EFI/Linux/clipos-5.0.0-alpha.0.efi; "
	for _, test := range []struct{ name, prepare string }{
		{"no second volume", spare + "lvremove --yes --autobackup n $lv; rm $entry"},
		{"an older version", "true"},
		{"rolled back by the user", spare + "lvrename --autobackup n mainvg core_5.0.0-alpha.0 core_5.0.0-alpha.2; mv $entry /mnt/efiboot/EFI/Linux/clipos-5.0.0-alpha.2.efi"},
		{"gone back by the server", spare + "lvrename --autobackup n mainvg core_5.0.0-alpha.0 core_5.0.0-alpha.4; mv $entry /mnt/efiboot/EFI/Linux/clipos-5.0.0-alpha.4.efi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := scenario(t)
			m.sh(test.prepare)
			m.offer(nextVersion)
			m.update()
			m.wantCores("5.0.0-alpha.1", "5.0.0-alpha.3")
			m.wantEntries("clipos-5.0.0-alpha.1.efi", "clipos-5.0.0-alpha.3+3.efi")
			m.reboot(nextVersion)
			m.wantUpdated()
			t.Log("\n" + m.run("lvs", "--options", "vg_name,lv_name,lv_size,lv_active", "mainvg"))
		})
	}
}
