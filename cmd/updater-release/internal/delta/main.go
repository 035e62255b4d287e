// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build bench

// Command delta makes and applies patches for the benchmark test/bench-delta.
// It is no part of what is installed.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"golang.org/x/crypto/blake2b"

	"github.com/clipos/updater/cmd/updater-release/internal/makepatch"
	"github.com/clipos/updater/updater/patch"
)

const usage = `usage: delta make LEVEL BASE RESULT PATCH
       delta apply WORKERS BASE PATCH OUT   rebuild twice, as an update does: hash, then write
       delta compress LEVEL IMAGE ZST
       delta decompress ZST OUT             unpack twice: hash, then write
       delta blocks BASE RESULT             bytes to fetch of a block-hash index`

func main() {
	verbs := map[string]struct {
		args int
		run  func(context.Context, []string) error
	}{
		"make": {4, make_}, "apply": {4, apply}, "compress": {3, compress}, "decompress": {2, decompress},
		"blocks": {2, blocks},
	}
	if len(os.Args) < 2 || verbs[os.Args[1]].run == nil || len(os.Args)-2 != verbs[os.Args[1]].args {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err := verbs[os.Args[1]].run(context.Background(), os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func make_(ctx context.Context, args []string) error {
	level, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	base, err := open(args[1])
	if err != nil {
		return err
	}
	result, err := open(args[2])
	if err != nil {
		return err
	}
	out, err := os.Create(args[3])
	if err != nil {
		return err
	}
	stats, err := makepatch.Make(ctx, makepatch.Options{From: "1.0.0", To: "1.0.1", Base: base, Result: result, Level: level}, out)
	fmt.Fprintf(os.Stderr, "%+v\n", stats)
	return errors.Join(err, out.Close())
}

func apply(ctx context.Context, args []string) error {
	workers, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	base, err := open(args[1])
	if err != nil {
		return err
	}
	file, err := open(args[2])
	if err != nil {
		return err
	}
	p, err := patch.Open(file, file.SizeBytes)
	if err != nil {
		return err
	}
	digest, err := twice(args[3], func(write func([]byte) error) error { return p.Rebuild(ctx, base, workers, write) })
	if err != nil {
		return err
	}
	if want := p.Header().Result.BLAKE2b; !bytes.Equal(digest, want[:]) {
		return errors.New("the result is another image")
	}
	return nil
}

// twice makes an image as an update does: first only to hash it, then into the
// file at path, which it flushes. It returns the hash.
func twice(path string, image func(write func([]byte) error) error) ([]byte, error) {
	digest, err := blake2b.New512(nil)
	if err != nil {
		return nil, err
	}
	if err := image(func(b []byte) error { digest.Write(b); return nil }); err != nil {
		return nil, err
	}
	out, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	err = image(func(b []byte) error { _, err := out.Write(b); return err })
	return digest.Sum(nil), errors.Join(err, out.Sync(), out.Close())
}

func compress(ctx context.Context, args []string) error {
	level, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	image, err := open(args[1])
	if err != nil {
		return err
	}
	out, err := os.Create(args[2])
	if err != nil {
		return err
	}
	return errors.Join(makepatch.Compress(ctx, image, level, 0, nil, out), out.Close())
}

func decompress(ctx context.Context, args []string) error {
	file, err := os.Open(args[0])
	if err != nil {
		return err
	}
	_, err = twice(args[1], func(write func([]byte) error) error {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := patch.Decompress(ctx, file, math.MaxInt64, write)
		return err
	})
	return err
}

// blocks counts what of the result is not, at any offset that is a multiple of
// 4 KiB, in the base: those blocks, and a SHA-256 for each of all.
func blocks(_ context.Context, args []string) error {
	const blockBytes = 4096
	have, fetch := map[[sha256.Size]byte]bool{}, int64(0)
	for i, path := range args {
		image, err := open(path)
		if err != nil {
			return err
		}
		block := make([]byte, blockBytes)
		for at := int64(0); at < image.SizeBytes; at += blockBytes {
			n, err := image.ReadAt(block, at)
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			digest := sha256.Sum256(block[:n])
			if i == 0 {
				have[digest] = true
				continue
			}
			if fetch += sha256.Size; !have[digest] {
				fetch += int64(n)
			}
		}
	}
	fmt.Println(fetch)
	return nil
}

func open(path string) (makepatch.Source, error) {
	file, err := os.Open(path)
	if err != nil {
		return makepatch.Source{}, err
	}
	info, err := file.Stat()
	if err != nil {
		return makepatch.Source{}, err
	}
	return makepatch.Source{ReaderAt: file, SizeBytes: info.Size()}, nil
}
