// SPDX-License-Identifier: LGPL-2.1-or-later

package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/blake2b"

	"github.com/clipos/updater/updater/patch"
)

// What a patch is made of here: small pieces, so that a small image has several.
const (
	patchPieceBytes  = 64 << 10
	patchWindowBytes = 256 << 10
)

// At is the release of a version that Build laid out under webroot.
func At(webroot, product, version string) *Release {
	dist := filepath.Join(webroot, "dist", version)
	return &Release{
		Product: product, Version: version,
		Core: filepath.Join(dist, product+"-core"), Efiboot: filepath.Join(dist, product+"-efiboot"),
	}
}

// CompressedFile is where the compressed core image of r is published.
func (r *Release) CompressedFile() string { return r.Core + ".zst" }

// PatchFile is where the patch from a version to r is published.
func (r *Release) PatchFile(from string) string { return r.Core + ".from-" + from + ".patch" }

// Publish puts a file beside the payloads and signs it as one of r's.
func (r *Release) Publish(ctx context.Context, path string, content []byte, k Key) error {
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		return err
	}
	// Another name first: a client that asks now gets all of it or nothing.
	return errors.Join(k.Sign(ctx, path+".new", r.Version, false), os.Rename(path+".new.sig", path+".sig"), os.Rename(path+".new", path))
}

// Compress publishes the compressed core image.
func (r *Release) Compress(ctx context.Context, k Key) error {
	image, err := os.ReadFile(r.Core)
	if err != nil {
		return err
	}
	compressed, err := zstdFrame(image, nil)
	if err != nil {
		return err
	}
	return r.Publish(ctx, r.CompressedFile(), compressed, k)
}

// PatchFrom publishes the patch that makes r's core image from that of base.
// change, which may be nil, is done to what the patch says of itself.
func (r *Release) PatchFrom(ctx context.Context, base *Release, k Key, change func(*patch.Header)) error {
	content, err := Patch(ctx, base, r, change)
	if err != nil {
		return err
	}
	return r.Publish(ctx, r.PatchFile(base.Version), content, k)
}

// Patch makes a patch.
func Patch(ctx context.Context, from, to *Release, change func(*patch.Header)) ([]byte, error) {
	base, err := os.ReadFile(from.Core)
	result, err2 := os.ReadFile(to.Core)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	h := patch.Header{From: from.Version, To: to.Version, Base: imageOf(base), Result: imageOf(result)}
	verity, verityBytes, err := patch.FindVerity(ctx, bytes.NewReader(result), int64(len(result)))
	if err != nil {
		return nil, err
	}
	var frames []byte
	part := func(begin, end int64) error {
		for at := begin; at < end; at += patchPieceBytes {
			p, frame, err := piece(base, result, at, min(at+patchPieceBytes, end))
			if err != nil {
				return err
			}
			h.Pieces = append(h.Pieces, p)
			frames = append(frames, frame...)
		}
		return nil
	}
	end := int64(len(result))
	if h.Verity = verity; verity != nil {
		if err := part(0, verity.Offset); err != nil {
			return nil, err
		}
		err = part(verity.Offset+verityBytes, end)
	} else {
		err = part(0, end)
	}
	if change != nil {
		change(&h)
	}
	header, err2 := h.AppendTo(nil)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	return append(header, frames...), nil
}

func imageOf(content []byte) patch.Image {
	return patch.Image{SizeBytes: int64(len(content)), BLAKE2b: blake2b.Sum512(content)}
}

// piece makes one part of a result from what the base has about there.
func piece(base, result []byte, begin, end int64) (patch.Piece, []byte, error) {
	low := min(max(0, begin-patchWindowBytes), int64(len(base)))
	high := min(end+patchWindowBytes, int64(len(base)))
	frame, err := zstdFrame(result[begin:end], base[low:high])
	p := patch.Piece{Bytes: end - begin, FrameBytes: int64(len(frame))}
	if low < high {
		p.Window = []patch.Part{{Offset: low, Bytes: high - low}}
	}
	return p, frame, err
}

// zstdFrame compresses content, which may refer to what is in prefix.
func zstdFrame(content, prefix []byte) ([]byte, error) {
	options := []zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression)}
	if len(prefix) > 0 {
		options = append(options, zstd.WithEncoderDictRaw(0, prefix))
	}
	w, err := zstd.NewWriter(nil, options...)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.EncodeAll(content, nil), nil
}
