// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"testing"
)

func TestBoot(t *testing.T) {
	m := scenario(t)
	t.Log(m.run("updaterctl", "status"))
	t.Log(m.run("updaterctl", "versions"))
	t.Log(m.run("systemd-analyze", "blame"))
	t.Log(m.run("journalctl", "-b", "--no-pager"))
	t.Log(m.entries(), m.volumes())
	t.Log(m.run("ls", "-l", "/dev/mainvg", "/dev/mapper"))
}
