// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm_test

import (
	"testing"

	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/lvm/lvmtest"
)

func TestGroupConformance(t *testing.T) {
	lvmtest.Conformance(t, func(t *testing.T) lvmtest.Backend {
		t.Helper()
		return lvm.NewGroup("mainvg", lvmtest.NewSizeBytes, lvmtest.NewGroup(t, "mainvg", 48<<20))
	})
}

func TestDirectoryConformance(t *testing.T) {
	lvmtest.Conformance(t, func(t *testing.T) lvmtest.Backend {
		t.Helper()
		return lvm.NewDirectory(t.TempDir(), lvmtest.NewSizeBytes)
	})
}

func TestBufferedConformance(t *testing.T) {
	lvmtest.Conformance(t, func(t *testing.T) lvmtest.Backend {
		t.Helper()
		return lvm.BufferedDirectory{Directory: lvm.NewDirectory(t.TempDir(), lvmtest.NewSizeBytes)}
	})
}
