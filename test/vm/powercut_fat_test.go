// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipos/updater/test/powercut"
)

// harmless are fsck.fat's words for what a power cut leaves on FAT, which has
// no journal, and what takes no file away.
var harmless = []string{
	"Dirty bit is set", "Free cluster summary wrong", "Reclaimed", "contains a free cluster", "unused cluster", "Reclaiming",
	"FATs differ", "differences between boot sector and its backup",
}

// checkFAT has fsck.fat look at the ESP after every flush, and prints how often
// it says what.
func (m *machine) checkFAT(r powercut.Recording) {
	m.Helper()
	image := filepath.Join(m.work, "esp")
	defer os.Remove(image)
	said := map[string]int{}
	states := 0
	for cut, disk := range r.States() {
		if cut.Kind != powercut.Flushed {
			continue
		}
		states++
		esp, err := disk.ESP()
		if err == nil {
			err = writeSparse(image, esp)
		}
		if err != nil {
			m.Fatal(err)
		}
		// Its exit status is that of an error whatever it found.
		text, err := output(m.Context(), "fsck.fat", "-n", image)
		if err == nil {
			continue
		}
		said[text+err.Error()]++
	}
	m.Logf("fsck.fat: %d states", states)
	for _, text := range slices.Sorted(maps.Keys(said)) {
		m.Logf("fsck.fat: in %d states:\n%s", said[text], text)
	}
}

// writeSparse writes a file with holes where there are zeros.
func writeSparse(path string, r io.Reader) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block, zeros := make([]byte, mib), make([]byte, mib)
	for at := int64(0); ; at += mib {
		n, err := io.ReadFull(r, block)
		if n > 0 && !bytes.Equal(block[:n], zeros[:n]) {
			if _, err := f.WriteAt(block[:n], at); err != nil {
				return errors.Join(err, f.Close())
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.Join(f.Truncate(at+int64(n)), f.Close())
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
}

func isHarmless(line string) bool {
	return slices.ContainsFunc(harmless, func(words string) bool { return strings.Contains(line, words) })
}
