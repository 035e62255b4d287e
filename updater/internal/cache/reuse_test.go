// SPDX-License-Identifier: LGPL-2.1-or-later

package cache

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func TestReusableBytes(t *testing.T) {
	for name, c := range map[string]struct {
		bytes     int
		validator string
		want      int64
	}{
		"nothing":                 {0, "", 0},
		"a beginning":             {400, `"tag"`, 400},
		"a beginning of anything": {400, "", 0},
		"all":                     {1000, `"tag"`, 1000},
		"all of anything":         {1000, "", 1000},
		"too much":                {1001, `"tag"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if got, err := d.ReusableBytes("core", 1000); got != 0 || err != nil {
				t.Errorf("without a file: %d, %v", got, err)
			}
			f := mustFile(t, d, "core")
			mustBegin(t, f, c.validator, false)
			mustWrite(t, f, string(make([]byte, c.bytes)))
			if got, err := d.ReusableBytes("core", 1000); got != c.want || err != nil {
				t.Errorf("%d, %v, want %d", got, err, c.want)
			}
			if got, err := d.ReusableBytes("efiboot", 1000); got != 0 || err != nil {
				t.Errorf("of another payload: %d, %v", got, err)
			}
		})
	}
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if _, err := d.ReusableBytes("core", 1000); err == nil {
		t.Error("no error without a folder")
	}
}

// What is sent to the disk early is what was written, in whatever pieces it
// came, and nothing is left of what was forgotten.
func TestWriteback(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := make([]byte, 3*writebackBytes+12345)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range want {
		want[i] = byte(r.Uint32())
	}
	f := mustFile(t, d, "core")
	mustBegin(t, f, "", false)
	mustWrite(t, f, string(want[:writebackBytes+1]))
	if err := f.Truncate(); err != nil {
		t.Fatal(err)
	}
	for rest := want; len(rest) > 0; {
		n := min(len(rest), 1+r.IntN(2*writebackBytes))
		mustWrite(t, f, string(rest[:n]))
		rest = rest[n:]
	}
	got, err := os.ReadFile(filepath.Join(dir, "cache", "core"))
	if err != nil || !bytes.Equal(got, want) || f.Len() != int64(len(want)) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}
