// SPDX-License-Identifier: LGPL-2.1-or-later

package verity

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRandomLayouts has veritysetup make images of random sizes and salts, the
// same ones each time.
func TestRandomLayouts(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 0))
	for range 12 {
		salt := make([]byte, r.IntN(257))
		for i := range salt {
			salt[i] = byte(r.Uint32())
		}
		saltFlag := "--salt=-"
		if len(salt) > 0 {
			saltFlag = "--salt=" + hex.EncodeToString(salt)
		}
		l := layout{
			kind:           []string{Squashfs, EROFS}[r.IntN(2)],
			contentBytes:   r.IntN(2 << 20),
			dataBlockBytes: 4096, hashBlockBytes: 4096,
			gapBytes: int64(r.IntN(3)) * 4096,
			args:     []string{saltFlag, "--hash=" + []string{"sha256", "sha512"}[r.IntN(2)]},
			fec:      r.IntN(2) == 0,
		}
		t.Run(fmt.Sprintf("%s of %d bytes, salt of %d", l.kind, l.contentBytes, len(salt)), func(t *testing.T) { testLayout(t, l) })
	}
}

// FuzzAgainstVeritysetup gives veritysetup the superblocks that the fuzzer finds
// interesting, before the same tree.
//
//   - What RootHash takes, veritysetup reads in the same way.
//   - What veritysetup verifies against the genuine root hash, RootHash finds
//     that root hash for, or refuses by a rule of our own.
//   - What RootHash finds the genuine root hash for, veritysetup verifies. The
//     exception is a number of data blocks that makes no other tree: whether
//     the blocks fit is dm-verity's to check (package comment), and a signature
//     covers them.
//   - Whatever salt, sizes and algorithm are taken, they mean to RootHash what
//     they mean to veritysetup when it makes a tree with them.
func FuzzAgainstVeritysetup(f *testing.F) {
	image := append(testdata(f, "squashfs.img"), make([]byte, 16<<10-testImageBytes)...)
	genuine := mustHex(f, testRoots["squashfs.img"])
	superblock := image[testHashOffset : testHashOffset+SuperblockBytes]
	f.Add(superblock)
	f.Add(patched(superblock, atAlgorithm, []byte("sha512")...))
	f.Add(patched(superblock, atAlgorithm+7, 'x'))
	f.Add(patched(superblock, atSaltSize, le16(0)...))
	f.Add(patched(superblock, atSaltSize, le16(256)...))
	f.Add(patched(superblock, atDataBlocks, le64(7)...))
	f.Add(patched(superblock, atHashType, le32(0)...))
	f.Add(patched(patched(superblock, atDataBlocks, le64(1)...), atDataBlockSize, le32(4096)...))
	f.Add(patched(superblock, atHashBlockSize, le32(4096)...))
	f.Add(patched(superblock, SuperblockBytes-1, 'x'))
	path := filepath.Join(f.TempDir(), "image")
	f.Fuzz(func(t *testing.T, superblock []byte) {
		other := patched(image, testHashOffset, superblock[:min(len(superblock), SuperblockBytes)]...)
		if err := os.WriteFile(path, other, 0o600); err != nil {
			t.Fatal(err)
		}
		s, root, err := RootHash(bytes.NewReader(other), int64(len(other)), testHashOffset)
		verified := exec.Command("veritysetup", "verify", offsetFlag(testHashOffset), path, path, hex.EncodeToString(genuine)).Run() == nil
		if err != nil {
			wantInvalid(t, err, "")
			if verified && !saysMore(other[testHashOffset:]) {
				t.Errorf("%v, veritysetup accepts %q", err, superblock)
			}
			return
		}
		compareSuperblock(t, s, run(t, "cryptsetup-bin", "veritysetup", "dump", offsetFlag(testHashOffset), path))
		if same := bytes.Equal(root, genuine); same != verified && (verified || s.DataBlocks == 8) {
			t.Errorf("root hash %x, veritysetup verifies the genuine one: %t", root, verified)
		}
		compareTree(t, s, path)
	})
}

// saysMore tells whether a superblock has something behind the end of the
// algorithm's name, which veritysetup does not look at.
func saysMore(superblock []byte) bool {
	name := superblock[atAlgorithm:atDataBlockSize]
	end := bytes.IndexByte(name, 0)
	return end >= 0 && len(bytes.Trim(name[end:], "\x00")) > 0
}

// compareTree has veritysetup make the tree that s describes.
func compareTree(t *testing.T, s Superblock, path string) {
	t.Helper()
	salt := hex.EncodeToString(s.Salt)
	if salt == "" {
		salt = "-"
	}
	printed := run(t, "cryptsetup-bin", "veritysetup", "format", offsetFlag(testHashOffset), "--salt="+salt, "--hash="+s.Algorithm,
		fmt.Sprintf("--data-blocks=%d", s.DataBlocks), fmt.Sprintf("--data-block-size=%d", s.DataBlockBytes),
		fmt.Sprintf("--hash-block-size=%d", s.HashBlockBytes), path, path)
	s, root, err := RootHash(openImage(t, path), sizeBytes(t, path), testHashOffset)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(s.treeBlocks()), field(t, printed, "Hash blocks"); got != want {
		t.Errorf("%+v: %s hash blocks, veritysetup says %s", s, got, want)
	}
	if got, want := hex.EncodeToString(root), field(t, printed, "Root hash"); got != want {
		t.Errorf("%+v: root hash %s, veritysetup says %s", s, got, want)
	}
}
