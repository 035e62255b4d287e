// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm_test

import (
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/lvm/lvmtest"
)

var sizes = []struct {
	text  string
	bytes int64 // 0: refused
}{
	{"4G", 4 << 30},
	{"4g", 4 << 30},
	{"500M", 500 << 20},
	{"500m", 500 << 20},
	{"1.5g", 3 << 29},
	{"0.5k", 512},
	{"1.3k", 1024},
	{"1.9999999s", 512},
	{"8192s", 8192 * 512},
	{"8192S", 8192 * 512},
	{"4096b", 4096},
	{"4096B", 4096},
	{"512.0b", 512},
	{"007m", 7 << 20},
	{"2T", 2 << 40},
	{"1p", 1 << 50},
	{"7e", 7 << 60},
	{"9223372036854775296b", math.MaxInt64 - 511},
	{"9223372036854775808b", 0},
	{"8e", 0},
	{"99999999999999999999e", 0},
	{"999999999999999999999e", 0},
	{"1000b", 0},
	{"512.5b", 0},
	{"0m", 0},
	{"0.0001k", 0},
	{"-5m", 0},
	{"5", 0},
	{"", 0},
	{"m", 0},
	{".m", 0},
	{"5.m", 0},
	{".5m", 0},
	{"1..5m", 0},
	{"1,5m", 0},
	{"+5m", 0},
	{"1e3m", 0},
	{"0x10m", 0},
	{"1_0m", 0},
	{"1/2m", 0},
	{" 5m", 0},
	{"5 m", 0},
	{"5m\n", 0},
	{"5mb", 0},
	{"5MiB", 0},
	{"5m%", 0},
	{"5z", 0},
	{"infm", 0},
	{"nanm", 0},
	{"٥m", 0},
}

func TestParseSize(t *testing.T) {
	for _, c := range sizes {
		got, err := lvm.ParseSize(c.text)
		if got != c.bytes || (err == nil) != (c.bytes > 0) {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", c.text, got, err, c.bytes)
		}
	}
}

// What ParseSize accepts, lvcreate understands alike: in a full group it says
// how many extents it would take, and the smallest extents are 1 KiB.
func TestParseSizeLikeLvcreate(t *testing.T) {
	root := lvmtest.NewGroup(t, "mainvg", 16<<20)
	lvmtest.LVM(t, root, "vgremove", "mainvg")
	device := strings.TrimSpace(lvmtest.LVM(t, root, "pvs", "--noheadings", "--options", "pv_name"))
	lvmtest.LVM(t, root, "vgcreate", "--physicalextentsize", "1k", "mainvg", device)
	lvmtest.LVM(t, root, "lvcreate", "--extents=100%FREE", "--name=all", "mainvg")
	tool := filepath.Join(root, "usr/sbin/lvm")
	const extentBytes, most = 1 << 10, math.MaxUint32 * int64(1<<10)
	for _, c := range sizes {
		if c.bytes == 0 || c.bytes > most {
			continue
		}
		probe := exec.CommandContext(t.Context(), tool, "lvcreate", "--test", "--name=probe", "--size="+c.text, "--", "mainvg")
		output, err := probe.CombinedOutput()
		extents := strconv.FormatInt((c.bytes+extentBytes-1)/extentBytes, 10)
		if err == nil || !strings.Contains(string(output), ": "+extents+" required") {
			t.Errorf("lvcreate --size=%s: %v, but does not want %s extents:\n%s", c.text, err, extents, output)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, c := range sizes {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := lvm.ParseSize(s)
		switch {
		case err != nil && n != 0:
			t.Errorf("%d and %v", n, err)
		case err == nil && (n <= 0 || n%512 != 0):
			t.Errorf("%d bytes", n)
		case err == nil:
			if again, err := lvm.ParseSize(strconv.FormatInt(n, 10) + "b"); again != n || err != nil {
				t.Errorf("%d in bytes: %d, %v", n, again, err)
			}
		}
	})
}
