// SPDX-License-Identifier: LGPL-2.1-or-later

package release

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// FileSystem is the kind of the core image.
type FileSystem string

// The kinds of file system that a core image may be.
const (
	Squashfs FileSystem = "squashfs"
	EROFS    FileSystem = "erofs"
)

// Verity is what a boot needs to know of the dm-verity tree in a core image.
type Verity struct {
	RootHash string // in lower-case hexadecimal
	// HashOffset is where the tree's superblock begins, in bytes; the file
	// system ends there.
	HashOffset int64
	// ErrorCorrectionOffset is where the Reed-Solomon blocks begin, in bytes;
	// 0 when there are none.
	ErrorCorrectionOffset int64
}

// squashfsFlags store everything uncompressed, as CLIP OS does, unless told
// otherwise: mksquashfs(1) has the letters for inodes, data, fragments and
// extended attributes. The time keeps the result the same for the same content.
func squashfsFlags(compressed bool) []string {
	flags := []string{"-no-duplicates", "-mkfs-time", "0", "-quiet", "-no-progress"}
	if compressed {
		return append(flags, "-comp", "lz4")
	}
	return append(flags, "-noI", "-noD", "-noF", "-noX")
}

// buildCore makes a core image at path; work is a folder for what it needs
// on the way.
func buildCore(ctx context.Context, path, work string, o Options) (Verity, error) {
	sources := o.From
	if len(sources) == 0 {
		tree := filepath.Join(work, "tree")
		if err := generateTree(tree, o); err != nil {
			return Verity{}, err
		}
		sources = []string{tree}
	}
	if err := makeFileSystem(ctx, path, o, sources); err != nil {
		return Verity{}, err
	}
	return appendVerity(ctx, path, filepath.Join(work, "fec"), o)
}

func makeFileSystem(ctx context.Context, path string, o Options, sources []string) error {
	var err error
	switch o.FileSystem {
	case Squashfs:
		_, err = mksquashfs.run(ctx, append(append(sources[:len(sources):len(sources)], path), squashfsFlags(o.Compressed)...)...)
	case EROFS:
		_, err = mkfsErofs.run(ctx, "--quiet", "-T0", "-U", identity(o), path, sources[0])
	default:
		err = fmt.Errorf("file system %q: unknown", o.FileSystem)
	}
	return err
}

// appendVerity appends a dm-verity tree to the file system at path, and
// behind it the error correction that CLIP OS appends too.
func appendVerity(ctx context.Context, path, correction string, o Options) (Verity, error) {
	hashOffset, err := sizeBytes(path)
	if err != nil {
		return Verity{}, err
	}
	args := []string{"format", "--hash-offset=" + strconv.FormatInt(hashOffset, 10)}
	if o.Salt != "" {
		args = append(args, "--salt="+o.Salt, "--uuid="+identity(o))
	}
	if !o.NoErrorCorrection {
		args = append(args, "--fec-device="+correction)
	}
	report, err := veritysetup.run(ctx, append(args, "--", path, path)...)
	if err != nil {
		return Verity{}, err
	}
	v := Verity{HashOffset: hashOffset}
	if v.RootHash, err = rootHash(report); err != nil || o.NoErrorCorrection {
		return v, err
	}
	v.ErrorCorrectionOffset, err = appendFile(path, correction)
	return v, err
}

// rootHash finds the root hash in what `veritysetup format` prints.
func rootHash(report []byte) (string, error) {
	for line := range bytes.Lines(report) {
		if value, found := bytes.CutPrefix(line, []byte("Root hash:")); found {
			return string(bytes.TrimSpace(value)), nil
		}
	}
	return "", fmt.Errorf("veritysetup: no root hash in %q", report)
}

// appendFile appends the file at from to the one at path and returns where it
// begins there.
func appendFile(path, from string) (offset int64, err error) {
	if offset, err = sizeBytes(path); err != nil {
		return 0, err
	}
	source, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	target, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(target, source)
	return offset, errors.Join(err, target.Close())
}

func sizeBytes(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// identity is a UUID that is always the same for a product's version.
func identity(o Options) string {
	sum := sha256.Sum256([]byte(o.Product + "\x00" + o.Version))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
