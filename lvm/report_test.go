// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The reports in testdata/report were printed by LVM 2.03.16 as the script
// testdata/capture says. Without device-mapper LVM does not know whether a
// volume is open: the two answers it has elsewhere are put in by hand.
func captured(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/report", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestDecodeReport(t *testing.T) {
	for _, c := range []struct {
		file, group string
		logicals    []logicalRow
		freeBytes   int64
		present     int
		warnings    []string
	}{
		{"empty.json", "mainvg", []logicalRow{}, 15 << 22, 1, []string{"kept only once"}},
		{"volumes.json", "mainvg", []logicalRow{
			{"core_5.0.0-alpha.1", 12 << 20, "-1"}, {"core_state", 8 << 20, "-1"},
		}, 10 << 22, 1, []string{"kept only once"}},
		{"closed.json", "mainvg", nil, 0, 1, []string{"kept only once"}},
		{"copies.json", "second", []logicalRow{}, 7 << 22, 1, nil},
		{"missing.json", "mainvg", nil, 10 << 22, 1, []string{"missing", "kept only once"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			r, err := decodeReport(captured(t, c.file), c.group)
			if err != nil {
				t.Fatal(err)
			}
			if c.logicals != nil && !slices.Equal(r.logicals, c.logicals) {
				t.Errorf("volumes %+v, want %+v", r.logicals, c.logicals)
			}
			if got := r.freeBytes(); got != c.freeBytes {
				t.Errorf("%d bytes free, want %d", got, c.freeBytes)
			}
			if got := r.presentPhysicals(); len(got) != c.present || !strings.HasPrefix(got[0], "/dev/loop") {
				t.Errorf("physical volumes %q, want %d", got, c.present)
			}
			got := r.warnings()
			if !slices.EqualFunc(got, c.warnings, strings.Contains) {
				t.Errorf("warnings %q, want %q", got, c.warnings)
			}
		})
	}
}

func TestDecodeReportRefuses(t *testing.T) {
	good := string(captured(t, "volumes.json"))
	for _, c := range []struct{ name, data string }{
		{"nothing", ""},
		{"no report", "{}"},
		{"no group", `{"report": [{"vg": []}]}`},
		{"cut short", good[:len(good)/2]},
		{"something behind", good + "x"},
		{"two reports", strings.Replace(good, `"report": [`, `"report": [{},`, 1)},
		{"another group", strings.Replace(good, "mainvg", "othervg", 1)},
		{"a size with a unit", strings.Replace(good, "12582912", "12.00m", 1)},
		{"a size without quotes", strings.Replace(good, `"12582912"`, "12582912", 1)},
		{"a size below zero", strings.Replace(good, "12582912", "-12582912", 1)},
		{"a size beyond 64 bits", strings.Replace(good, "12582912", "99999999999999999999", 1)},
		{"room below zero", strings.Replace(good, "41943040", "-1", 1)},
		{"extents of nothing", strings.Replace(good, "4194304", "0", 1)},
		{"a path for a name", strings.Replace(good, "core_state", "../../etc/passwd", 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.data == good {
				t.Fatal("the case changes nothing")
			}
			if r, err := decodeReport([]byte(c.data), "mainvg"); err == nil {
				t.Errorf("accepted: %+v", r)
			}
		})
	}
}

func TestWholeExtents(t *testing.T) {
	const most = 1<<63 - 1
	r := groupReport{group: groupRow{ExtentBytes: 4 << 20}}
	for _, c := range []struct{ size, want int64 }{
		{1, 4 << 20}, {4 << 20, 4 << 20}, {4<<20 + 512, 8 << 20}, {500 << 20, 500 << 20}, {most, most &^ (4<<20 - 1)},
	} {
		if got := r.wholeExtents(c.size); got != c.want {
			t.Errorf("wholeExtents(%d) = %d, want %d", c.size, got, c.want)
		}
	}
}

func FuzzReport(f *testing.F) {
	files, err := filepath.Glob("testdata/report/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no captured reports", err)
	}
	for _, file := range files {
		f.Add(captured(f, filepath.Base(file)))
		f.Add(bytes.Replace(captured(f, filepath.Base(file)), []byte(`"-1"`), []byte(`"1"`), 1))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeReport(data, "mainvg")
		if err != nil {
			return
		}
		for _, l := range r.logicals {
			if filepath.Base(l.Name) != l.Name || l.SizeBytes < 0 {
				t.Errorf("volume %+v", l)
			}
		}
		if whole := r.wholeExtents(1 << 30); whole < 0 || whole%r.group.ExtentBytes != 0 {
			t.Errorf("1 GiB in extents of %d: %d", r.group.ExtentBytes, whole)
		}
		r.presentPhysicals()
		r.warnings()
	})
}
