// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// reportArgs asks for everything about one group at once: vgs, lvs and pvs one
// after the other would each see another moment. What is absent: --readonly
// and --nolocking, which show no device state or a change half made; --all,
// which lists the inner volumes of mirrors and pools. What lvm.conf may say
// about reports is overruled; that is what --binary is for. The rows of
// segments cannot be left out, so they are asked for their shortest column.
var reportArgs = []string{
	"fullreport", "--reportformat", "json", "--units", "b", "--nosuffix", "--binary",
	"--configreport", "vg", "--options", "vg_name,vg_extent_size,vg_mda_used_count",
	"--configreport", "pv", "--options", "pv_name,pv_free,pv_allocatable,pv_missing",
	"--configreport", "lv", "--options", "lv_name,lv_size,lv_device_open",
	"--configreport", "pvseg", "--options", "pvseg_start",
	"--configreport", "seg", "--options", "seg_start",
}

// The columns above, explained in lvmreport(7). LVM's "json" quotes every
// value; sizes are bytes.
type (
	groupRow struct {
		Name           string `json:"vg_name"`
		ExtentBytes    int64  `json:"vg_extent_size,string"`
		MetadataCopies int    `json:"vg_mda_used_count,string"`
	}
	physicalRow struct {
		Name        string `json:"pv_name"`
		FreeBytes   int64  `json:"pv_free,string"`
		Allocatable string `json:"pv_allocatable"` // "1" or "0"
		Missing     string `json:"pv_missing"`     // "1" or "0"
	}
	logicalRow struct {
		Name      string `json:"lv_name"`
		SizeBytes int64  `json:"lv_size,string"`
		Open      string `json:"lv_device_open"` // "1", "0" or "-1" for unknown
	}
)

// groupReport is what LVM knows of one group.
type groupReport struct {
	group     groupRow
	physicals []physicalRow
	logicals  []logicalRow
}

// decodeReport reads what reportArgs asks for. It accepts only a report that
// later code can rely on: one group, of the given name, volumes that are valid
// names, sizes that are sizes.
func decodeReport(data []byte, group string) (groupReport, error) {
	var document struct {
		Report []struct {
			Groups    []groupRow    `json:"vg"`
			Physicals []physicalRow `json:"pv"`
			Logicals  []logicalRow  `json:"lv"`
		} `json:"report"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return groupReport{}, fmt.Errorf("lvm report: %w", err)
	}
	if len(document.Report) != 1 || len(document.Report[0].Groups) != 1 {
		return groupReport{}, errors.New("lvm report: not about exactly one volume group")
	}
	part := document.Report[0]
	r := groupReport{group: part.Groups[0], physicals: part.Physicals, logicals: part.Logicals}
	if r.group.Name != group {
		return groupReport{}, fmt.Errorf("lvm report: about group %.*q", maxNameBytes, r.group.Name)
	}
	return r, r.check()
}

func (r *groupReport) check() error {
	if r.group.ExtentBytes <= 0 {
		return fmt.Errorf("lvm report: extents of %d bytes", r.group.ExtentBytes)
	}
	for _, p := range r.physicals {
		if p.FreeBytes < 0 {
			return fmt.Errorf("lvm report: %d bytes free", p.FreeBytes)
		}
	}
	for _, l := range r.logicals {
		if err := checkName(l.Name); err != nil {
			return fmt.Errorf("lvm report: %w", err)
		}
		if l.SizeBytes < 0 {
			return fmt.Errorf("lvm report: %s of %d bytes", l.Name, l.SizeBytes)
		}
	}
	return nil
}

// freeBytes counts what lvcreate would use. The column vg_free is not that: it
// includes volumes that are closed to allocation (pvchange -x n) or missing.
func (r *groupReport) freeBytes() int64 {
	var free int64
	for _, p := range r.physicals {
		if p.Allocatable == "1" && p.Missing == "0" {
			free += p.FreeBytes
		}
	}
	return free
}

// wholeExtents rounds up the way lvcreate does, or, where that is beyond all
// numbers, down.
func (r *groupReport) wholeExtents(sizeBytes int64) int64 {
	extents := sizeBytes / r.group.ExtentBytes
	if sizeBytes%r.group.ExtentBytes > 0 && extents < math.MaxInt64/r.group.ExtentBytes {
		extents++
	}
	return extents * r.group.ExtentBytes
}

// presentPhysicals are the paths of the group's devices, as LVM names them.
func (r *groupReport) presentPhysicals() []string {
	var paths []string
	for _, p := range r.physicals {
		if p.Missing == "0" {
			paths = append(paths, p.Name)
		}
	}
	return paths
}

// isOpen: what is unknown, because LVM cannot ask the kernel, is left to the
// exclusive open.
func (l *logicalRow) isOpen() bool { return l.Open == "1" }

func (r *groupReport) find(name string) (logicalRow, bool) {
	for _, l := range r.logicals {
		if l.Name == name {
			return l, true
		}
	}
	return logicalRow{}, false
}

func (r *groupReport) warnings() []string {
	var warnings []string
	if len(r.presentPhysicals()) < len(r.physicals) {
		warnings = append(warnings, fmt.Sprintf("volume group %s: a physical volume is missing", r.group.Name))
	}
	if r.group.MetadataCopies < 2 {
		warnings = append(warnings, fmt.Sprintf("volume group %s: its metadata are kept only once; "+
			"where they are damaged, every volume in it is unreachable", r.group.Name))
	}
	return warnings
}
