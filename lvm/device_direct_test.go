// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"bytes"
	"os"
	"testing"
)

// A disk whose blocks are larger than ours answers direct I/O with EINVAL, and
// all goes through the page cache then. Two files that every Linux has stand in
// for it: one refuses to be written what is no number, one to be read.
func TestDirectRefused(t *testing.T) {
	folder := NewDirectory(t.TempDir(), 1<<20)
	if err := folder.Create(t.Context(), "core"); err != nil {
		t.Fatal(err)
	}
	v, err := folder.Open(t.Context(), "core")
	if err != nil {
		t.Fatal(err)
	}
	d := v.(*device)
	t.Cleanup(func() { _ = d.Close() })
	instead := func(path string, flags int) {
		t.Helper()
		if err := closeAll(d.direct); err != nil {
			t.Fatal(err)
		}
		if d.direct, err = os.OpenFile(path, flags, 0); err != nil {
			t.Fatal(err)
		}
	}

	content := AlignedBuffer(1 << 20)
	for i := range content {
		content[i] = 0xff
	}
	instead("/proc/self/oom_score_adj", os.O_WRONLY)
	if n, err := d.WriteAt(content, 0); n != len(content) || err != nil {
		t.Errorf("WriteAt: %d, %v", n, err)
	}
	instead("/proc/self/ns/mnt", os.O_RDONLY)
	for _, p := range [][]byte{AlignedBuffer(1 << 20), AlignedBuffer(1 << 20)[1:]} {
		if n, err := d.ReadBackAt(p, 0); n != len(p) || err != nil || !bytes.Equal(p, content[:n]) {
			t.Errorf("ReadBackAt: %d, %v", n, err)
		}
	}
}
