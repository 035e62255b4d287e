// SPDX-License-Identifier: LGPL-2.1-or-later

package fec

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestAgainstVeritysetup compares with what veritysetup makes for the same
// data and the hash tree behind it.
func TestAgainstVeritysetup(t *testing.T) {
	for _, tc := range []struct{ blocks, blockBytes, parity int }{
		{1, 4096, 2}, // no tree
		{2, 4096, 2},
		{251, 4096, 2}, // with the tree, two blocks short of a round
		{252, 4096, 2},
		{253, 4096, 2},
		{505, 4096, 2},
		{1000, 4096, 2},
		{1, 512, 24},
		{230, 512, 24},
		{700, 512, 24},
		{1000, 1024, 3},
		{333, 2048, 5},
		{500, 4096, 9},
		{300, 4096, 16},
	} {
		t.Run(fmt.Sprintf("%d blocks of %d, parity %d", tc.blocks, tc.blockBytes, tc.parity), func(t *testing.T) {
			input, want := veritysetup(t, tc.blocks, tc.blockBytes, tc.parity)
			blocks := int64(len(input) / tc.blockBytes)
			if got := ParityBytes(blocks, int64(tc.blockBytes), tc.parity); got != int64(len(want)) {
				t.Fatalf("got %d bytes of parity, veritysetup makes %d", got, len(want))
			}
			e := NewEncoder(blocks, int64(tc.blockBytes), tc.parity)
			for rest := input; len(rest) > 0; {
				// Parts of any length, the same ones each time.
				n := min(len(rest), 1+len(rest)*7%100_003)
				e.Write(rest[:n])
				rest = rest[n:]
			}
			if got := parity(t, e); !bytes.Equal(got, want) {
				t.Errorf("the parity is not that of veritysetup")
			}
		})
	}
}

func parity(t *testing.T, e *Encoder) []byte {
	t.Helper()
	var got bytes.Buffer
	if err := e.Parity(func(p []byte) error { got.Write(p); return nil }); err != nil {
		t.Fatal(err)
	}
	return got.Bytes()
}

// veritysetup makes random data and returns it with its tree, and their parity.
func veritysetup(t *testing.T, blocks, blockBytes, parity int) (input, want []byte) {
	t.Helper()
	path, err := exec.LookPath("veritysetup")
	if err != nil {
		t.Fatalf("%v: install the Debian package cryptsetup-bin", err)
	}
	dir := t.TempDir()
	dataPath, treePath, fecPath := filepath.Join(dir, "data"), filepath.Join(dir, "tree"), filepath.Join(dir, "fec")
	data := make([]byte, blocks*blockBytes)
	rand.NewChaCha8([32]byte{byte(blocks), byte(parity)}).Read(data)
	if err := os.WriteFile(dataPath, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "format", "--data-block-size="+strconv.Itoa(blockBytes), "--hash-block-size="+strconv.Itoa(blockBytes),
		"--fec-roots="+strconv.Itoa(parity), "--fec-device="+fecPath, dataPath, treePath).CombinedOutput()
	if err != nil {
		t.Fatalf("veritysetup: %v\n%s", err, out)
	}
	tree, err := os.ReadFile(treePath)
	if err != nil {
		t.Fatal(err)
	}
	if want, err = os.ReadFile(fecPath); err != nil {
		t.Fatal(err)
	}
	// The superblock is in the first block, and not covered.
	return slices.Concat(data, tree[min(len(tree), blockBytes):]), want
}

func TestWriteError(t *testing.T) {
	e := NewEncoder(2, 4096, 2)
	e.Write(make([]byte, 4096))
	want := errors.New("no room")
	if err := e.Parity(func([]byte) error { return want }); !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

func BenchmarkEncoder(b *testing.B) {
	data := make([]byte, 8<<20)
	for _, parity := range []int{2, 8, 24} {
		b.Run(strconv.Itoa(parity), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				NewEncoder(2048, 4096, parity).Write(data)
			}
		})
	}
}
