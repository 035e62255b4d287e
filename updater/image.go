// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/internal/minisig"
	"github.com/clipos/updater/updater/patch"
)

// image is the core image of a release. It is in the cache, or rebuilt from
// what is there each time it is read: once to verify it, before anything is
// changed, and once to write it.
type image struct {
	form
	// file is what was fetched, with a signature of its own.
	file *payload
	// signature is that of the image.
	signature minisig.Signature
	// base is what the running system was installed from, nil for what is no
	// patch.
	base lvm.ReadOnly
	// rebuild hands the image to write, in order; nil where file is the image.
	rebuild func(ctx context.Context, write func(p []byte) error) error
	// maxBytes is the most it may have, as far as is known before it is read.
	maxBytes int64
	// sizeBytes, facts, what checkContent looks at, and tags, of the image and
	// not of the file, are there once the image has been read.
	sizeBytes int64
	facts     io.ReaderAt
	tags      *blockTags
}

func (i *image) close() error {
	if i.base == nil {
		return i.file.Close()
	}
	return errors.Join(i.file.Close(), i.base.Close())
}

// openImage opens what there is in the cache of the form to be tried. The
// signature of a compact form comes first, as that of every file.
func (r *run) openImage(ctx context.Context, o offer) (*image, error) {
	i := &image{form: o.forms[0], signature: o.signatures[kindCore], maxBytes: o.capacityBytes}
	if o.coreBytes >= 0 {
		i.maxBytes = min(i.maxBytes, o.coreBytes)
	}
	signature, err := r.formSignature(ctx, o, i.form)
	if err != nil {
		return nil, i.fault(fmt.Errorf("%s: signature: %w", i.kind, err))
	}
	if i.file, err = r.open(o, i.kind, signature, o.maxBytes(i.form)); err != nil {
		return nil, err
	}
	if i.method != MethodPatch {
		return i, nil
	}
	if i.base, err = r.volumes.OpenReadOnly(ctx, volumeName(r.config.Running)); err != nil {
		return nil, errors.Join(i.fault(fmt.Errorf("%s: %w", i.kind, err)), i.file.Close())
	}
	return i, nil
}

func (r *run) formSignature(ctx context.Context, o offer, f form) (minisig.Signature, error) {
	switch {
	case f.method == MethodPlain:
		return o.signatures[kindCore], nil
	case f.signature != nil:
		return *f.signature, nil
	}
	text, err := r.server.signature(ctx, o.version, f.kind)
	if err != nil {
		return minisig.Signature{}, err
	}
	return r.config.checkSignature(text, o.version.String())
}

// readImage makes sure that the file which was fetched, and verified, is the
// image or becomes it. Nothing outside the cache is touched for one that does
// not.
func (r *run) readImage(ctx context.Context, f *fetched) error {
	i := f.core
	if i.method == MethodPlain {
		i.sizeBytes, i.facts, i.tags = i.file.Len(), i.file.File, i.file.tags
		return nil
	}
	before, err := r.prepare(ctx, i, f.version)
	if err == nil {
		err = r.tryRebuild(ctx, f, before)
	}
	if err != nil {
		return i.fault(fmt.Errorf("%s: %w", i.kind, err))
	}
	return nil
}

// prepare gets a compact form ready to be rebuilt; readBytes were read to that
// end.
func (r *run) prepare(ctx context.Context, i *image, to policy.Version) (readBytes int64, err error) {
	if i.method == MethodPatch {
		return r.openPatch(ctx, i, to)
	}
	i.rebuild = func(ctx context.Context, write func([]byte) error) error {
		_, err := patch.Decompress(ctx, i.file.reader(), i.maxBytes, write)
		return err
	}
	return 0, nil
}

// tryRebuild rebuilds an image to verify it, and keeps of it what checkContent
// needs.
func (r *run) tryRebuild(ctx context.Context, f *fetched, beforeBytes int64) error {
	i, verifier, tags := f.core, r.config.key.NewVerifier(f.core.signature), newBlockTags()
	facts := newSample(func(head io.ReaderAt) (int64, error) { return coreHashOffset(f, head) })
	debug.FreeOSMemory()
	total := int64(0)
	if i.sizeBytes > 0 {
		total = beforeBytes + i.sizeBytes
	}
	err := i.rebuild(ctx, func(p []byte) error {
		verifier.Write(p) //nolint:errcheck // a hash does not fail
		tags.Write(p)     //nolint:errcheck // nor does a tag
		facts.Write(p)    //nolint:errcheck // nor this
		r.progress.bytes(beforeBytes+verifier.Len(), total)
		return nil
	})
	if err == nil {
		err = verifier.Verify()
	}
	i.sizeBytes, i.facts, i.tags = verifier.Len(), facts, tags
	return err
}

// begin starts to read the image from its beginning, in order. Nothing of it
// runs any more when end returns.
func (i *image) begin(ctx context.Context) (read readAt, chunkBytes int, end func()) {
	if i.rebuild == nil {
		return readFully("the cache", i.file.File), writeChunkBytes, func() {}
	}
	// What the pass before took is of no use any more; left alone it would lie
	// there until this one has taken as much again.
	debug.FreeOSMemory()
	out, in := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := i.rebuild(ctx, func(p []byte) error {
			_, err := in.Write(p)
			return err
		})
		in.CloseWithError(err)
	}()
	read = func(p []byte, _ int64) error {
		if _, err := io.ReadFull(out, p); err != nil {
			return fmt.Errorf("rebuilding from %s: %w", i.kind, err)
		}
		return nil
	}
	return read, rebuildChunkBytes, func() {
		_ = out.Close() // it never fails
		<-ended
		debug.FreeOSMemory()
	}
}
