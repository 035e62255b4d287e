// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

func newTestWitness(t *testing.T) *witness {
	t.Helper()
	w, err := newWitness()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// In whatever pieces the bytes come, the same ones are recognized, and others
// are not: a bit flipped, one more, one less, units exchanged.
func TestWitness(t *testing.T) {
	data := make([]byte, 5*witnessUnitBytes+1234)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	exchanged := slices.Concat(data[witnessUnitBytes:2*witnessUnitBytes], data[:witnessUnitBytes], data[2*witnessUnitBytes:])
	for name, c := range map[string]struct {
		other []byte
		same  bool
	}{
		"the same":            {data, true},
		"first bit":           {flipBit(0)(bytes.Clone(data)), false},
		"last bit":            {flipBit(-1)(bytes.Clone(data)), false},
		"a bit in a unit":     {flipBit(3*witnessUnitBytes - 1)(bytes.Clone(data)), false},
		"one less":            {data[:len(data)-1], false},
		"one more":            {append(bytes.Clone(data), 0), false},
		"units are exchanged": {exchanged, false},
		"whole units only":    {data[:5*witnessUnitBytes], false},
		"nothing":             {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTestWitness(t)
			again := w.again()
			for rest := data; len(rest) > 0; {
				n := 1 + rand.N(min(len(rest), 2*witnessUnitBytes))
				w.Write(rest[:n])
				rest = rest[n:]
			}
			again.Write(data)
			again.Reset()
			again.Write(c.other)
			if got := w.saw(again); got != c.same {
				t.Errorf("saw %v, want %v", got, c.same)
			}
		})
	}
}

func TestWitnessesHaveKeysOfTheirOwn(t *testing.T) {
	a, b := newTestWitness(t), newTestWitness(t)
	unit := make([]byte, witnessUnitBytes)
	a.Write(unit)
	b.Write(unit)
	if a.saw(b) {
		t.Error("two witnesses have the same key")
	}
}

// The cache changes between the verification and the writing: what is on the
// volume then never becomes bootable.
func TestCacheChangesBeforeItIsWritten(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.has("5.0.0-alpha.0")
	u := s.open()
	defer u.Close()
	_, err := u.Update(t.Context(), "", func(st Status) {
		if st.Stage != StageInstalling || st.BytesDone > 0 {
			return
		}
		f, err := os.OpenFile(s.paths.State+"/cache/5.0.0-alpha.3-core", os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt([]byte("changed"), 100000)
			f.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
	isOnly(t, err, ErrReadBackMismatch)
	if got := names(t, s.paths.At(linux)); !slices.Equal(got, []string{"clipos-5.0.0-alpha.1.efi"}) {
		t.Errorf("entries %q", got)
	}
}

func BenchmarkWitness(b *testing.B) {
	w, err := newWitness()
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 4<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		w.Reset()
		w.Write(data)
	}
}
