// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"bytes"
	"errors"

	"github.com/clipos/updater/test/powercut"
)

// groupSubsets is how many random subsets of each epoch of a change of metadata
// are judged: these epochs are short, so a rare loss shows.
const groupSubsets = 400

// measureGroups counts how often a power cut while LVM changes a group's
// metadata loses the group, on a group that keeps its metadata once and on one
// that keeps them twice: with the tool alone; with a flush before and after
// each change; and with package lvm, which must not lose any.
func (m *machine) measureGroups(scratch [2]recorded) {
	m.Helper()
	program := m.install("lvmchange")
	for i, disk := range scratch {
		group, copies, device := []string{"once", "twice"}[i], []string{"1", "2"}[i], []string{"/dev/vdb", "/dev/vdc"}[i]
		m.run("pvcreate", "--quiet", "--pvmetadatacopies", copies, device)
		m.run("vgcreate", "--quiet", "--autobackup", "n", group, device)
		// coreutils' sync flushes the disk, which the tools do not.
		flush := func() { m.run("sync", device) }
		tool := func(between func()) func() {
			return func() {
				m.run("lvcreate", "--autobackup=n", "--zero=n", "--wipesignatures=n", "--size=4m", "--name=a", group)
				between()
				m.run("lvrename", "--autobackup=n", group, "a", "b")
				m.run("lvremove", "--quiet", "--yes", "--autobackup=n", group+"/b")
			}
		}
		flush() // the first one makes the record one
		if m.countLost("the tool alone, metadata "+group, disk, tool(func() {})) == 0 {
			m.Error("no group was lost: the judge does not see it")
		}
		flush()
		m.countLost("flushes around, metadata "+group, disk, tool(flush))
		flush()
		if lost := m.countLost("package lvm, metadata "+group, disk, func() { m.run(program, group, "a", "b") }); lost > 0 {
			m.Errorf("package lvm loses the group in %d states", lost)
		}
	}
}

// countLost returns in how many states the group is lost.
func (m *machine) countLost(what string, d recorded, change func()) (lost int) {
	m.Helper()
	requests, begin := m.within(d, change)
	empty := bytes.NewReader(nil) // what the disk held
	states := 0
	var first powercut.Cut
	for cut, disk := range (powercut.Recording{Base: empty, Requests: requests, Begin: begin, Subsets: groupSubsets, Seed: cutSeed}).States() {
		states++
		if _, err := powercut.ReadGroup(disk); errors.Is(err, powercut.ErrNoGroup) {
			if lost++; lost == 1 {
				first = cut
			}
		}
	}
	m.Logf("group: %s: %d requests, %d states, lost in %d", what, len(requests)-begin, states, lost)
	if lost > 0 {
		m.Logf("  first at %v", first)
	}
	return lost
}
