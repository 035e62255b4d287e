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
// metadata loses the group: with the tool alone and with package lvm, which
// must not lose any; on a group that keeps its metadata once and on one that
// keeps them twice.
func (m *machine) measureGroups(scratch [2]recorded) {
	m.Helper()
	program := m.install("lvmchange")
	for i, disk := range scratch {
		group, copies, device := []string{"once", "twice"}[i], []string{"1", "2"}[i], []string{"/dev/vdb", "/dev/vdc"}[i]
		m.run("pvcreate", "--quiet", "--pvmetadatacopies", copies, device)
		m.run("vgcreate", "--quiet", "--autobackup", "n", group, device)
		m.run("sync", device) // the first flush makes the record one
		tool, begin := m.within(disk, func() {
			m.run("lvcreate", "--autobackup=n", "--zero=n", "--wipesignatures=n", "--size=4m", "--name=a", group)
			m.run("lvrename", "--autobackup=n", group, "a", "b")
		})
		m.countLost("the tool alone, "+group, tool, begin)
		ours, begin := m.within(disk, func() { m.run(program, group, "c", "d") })
		m.countLost("package lvm, "+group, ours, begin)
	}
}

// countLost returns in how many states the group is lost.
func (m *machine) countLost(what string, requests []powercut.Request, begin int) (lost int) {
	m.Helper()
	empty := bytes.NewReader(nil) // what an empty disk holds
	states := 0
	var first error
	for cut, disk := range (powercut.Recording{Base: empty, Requests: requests, Begin: begin, Subsets: groupSubsets, Seed: cutSeed}).States() {
		states++
		if _, err := powercut.ReadGroup(disk); errors.Is(err, powercut.ErrNoGroup) {
			if lost++; lost == 1 {
				first = errors.Join(errors.New(cut.String()), err)
			}
		}
	}
	m.Logf("group: %s: %d requests, %d states, lost in %d; %v", what, len(requests)-begin, states, lost, first)
	return lost
}
