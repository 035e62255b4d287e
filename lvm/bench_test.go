// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipos/updater/lvm"
)

// BenchmarkInstall writes, flushes and reads back a GiB, as an update does.
// "dd bs=4M conv=fsync" of as much is what to compare it with.
func BenchmarkInstall(b *testing.B) {
	const size, step = 1 << 30, 4 << 20
	folder := b.TempDir()
	d := lvm.NewDirectory(folder, size)
	p := lvm.AlignedBuffer(step)
	for i := range p {
		p[i] = byte(i % 251)
	}
	b.SetBytes(size)
	for b.Loop() {
		if err := d.Create(b.Context(), "core"); err != nil {
			b.Fatal(err)
		}
		v, err := d.Open(b.Context(), "core")
		if err != nil {
			b.Fatal(err)
		}
		for off := int64(0); off < size; off += step {
			if _, err := v.WriteAt(p, off); err != nil {
				b.Fatal(err)
			}
		}
		if err := v.Flush(); err != nil {
			b.Fatal(err)
		}
		for off := int64(0); off < size; off += step {
			if _, err := v.ReadBackAt(p, off); err != nil {
				b.Fatal(err)
			}
		}
		if err := errors.Join(v.Close(), os.Remove(filepath.Join(folder, "core"))); err != nil {
			b.Fatal(err)
		}
	}
}
