// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/internal/cache"
	"github.com/clipos/updater/updater/internal/fetch"
	"github.com/clipos/updater/updater/internal/minisig"
)

// payload is a file of a release in the cache: the EFI binary, or what the core
// image comes from. It stays open from the first byte fetched to the last byte
// installed.
type payload struct {
	*digest
	kind      payloadKind
	signature minisig.Signature
	// maxBytes is the most that is read of it.
	maxBytes int64
}

func (p *payload) reader() io.Reader { return io.NewSectionReader(p.File, 0, p.Len()) }

// fetched is a release whose files are complete in the cache.
type fetched struct {
	version policy.Version
	core    *image
	efiboot *payload
}

// verified is a release whose payloads are signed for its version and belong
// together. Only verify makes one.
type verified struct{ *fetched }

func (f *fetched) close() error {
	var errs []error
	if f.core != nil {
		errs = append(errs, f.core.close())
	}
	if f.efiboot != nil {
		errs = append(errs, f.efiboot.Close())
	}
	return errors.Join(errs...)
}

func cacheName(v policy.Version, kind payloadKind) string { return fmt.Sprintf("%s-%s", v, kind) }

// maxNewCoreBytes is what a core image is believed to measure before its
// volume is found too small: a server that claims more is up to something.
const maxNewCoreBytes = 4 << 30

// cacheReserveBytes is left free on the cache's file system, for our own record
// and for everybody else who writes there.
const cacheReserveBytes = 16 << 20

// checkLength judges a length that the server declares.
func (r *run) checkLength(s signed, kind payloadKind, declared, limit int64) error {
	switch {
	case declared <= limit:
		return nil
	case kind == kindCore && declared <= max(limit, r.config.Core.SizeBytes, maxNewCoreBytes):
		return fmt.Errorf("%s: %w: the server declares %d bytes, the volume holds %d", volumeName(s.version), ErrVolumeTooSmall, declared, limit)
	}
	return fmt.Errorf("%s: %w: the server declares %d bytes, at most %d are accepted", kind, ErrResponseTooLarge, declared, limit)
}

// beginFetching removes what earlier runs left of other releases; what they left
// of this one is used, in whatever form it is.
func (r *run) beginFetching(ctx context.Context, s signed) (offer, error) {
	r.progress.enter(s.version.String(), StageFetching)
	if err := r.keepForms(s.version, append(r.compactForms(), form{kind: kindCore})); err != nil {
		return offer{}, err
	}
	return r.offers(ctx, s)
}

// keepForms removes everything from the cache but the EFI binary of a release
// and its core image in these forms.
func (r *run) keepForms(v policy.Version, forms []form) error {
	keep := []string{cacheName(v, kindEFIBoot)}
	for _, f := range forms {
		keep = append(keep, cacheName(v, f.kind))
	}
	return r.cache.Keep(keep...)
}

// fetch is the first half of step 3, for the form that is offered first.
func (r *run) fetch(ctx context.Context, o offer) (*fetched, error) {
	f := &fetched{version: o.version}
	err := r.openAll(ctx, o, f)
	if err == nil {
		err = o.forms[0].fault(r.checkCacheRoom(f, o.downloadBytes()))
	}
	if err == nil {
		err = r.fetchAll(ctx, o, f)
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (r *run) openAll(ctx context.Context, o offer, f *fetched) (err error) {
	if f.efiboot, err = r.open(o, kindEFIBoot, o.signatures[kindEFIBoot], maxEFIBootBytes); err != nil {
		return err
	}
	f.core, err = r.openImage(ctx, o)
	return err
}

// fetchAll fetches the small file first, so that what is wrong with it is known
// before the large one is asked for.
func (r *run) fetchAll(ctx context.Context, o offer, f *fetched) error {
	var before int64
	progress := func(done, _ int64) { r.progress.bytes(before+done, o.downloadBytes()) }
	if err := r.fetchPayload(ctx, o.signed, f.efiboot, progress); err != nil {
		return err
	}
	before = f.efiboot.Len()
	return f.core.fault(r.fetchPayload(ctx, o.signed, f.core.file, progress))
}

func (r *run) open(o offer, kind payloadKind, signature minisig.Signature, maxBytes int64) (*payload, error) {
	file, err := r.cache.File(cacheName(o.version, kind))
	if err != nil {
		return nil, err
	}
	return &payload{newDigest(file, r.config.key.NewVerifier(signature)), kind, signature, maxBytes}, nil
}

func (r *run) checkCacheRoom(f *fetched, total int64) error {
	free, err := r.cache.FreeBytes()
	if err != nil {
		return err
	}
	need := total - f.core.file.Len() - f.efiboot.Len()
	if need > free-cacheReserveBytes {
		return fmt.Errorf("%w: %d more bytes are needed, %d are free, of which %d are kept free",
			cache.ErrNoSpace, need, free, cacheReserveBytes)
	}
	return nil
}

// fetchPayload completes one payload. One that was put together from two
// downloads and does not verify is fetched once more in one piece: the server
// may have changed the file without saying so.
func (r *run) fetchPayload(ctx context.Context, s signed, p *payload, progress func(done, total int64)) error {
	if p.Len() > 0 {
		if err := p.catchUp(ctx, progress); err != nil {
			return err
		}
		if p.verify() == nil {
			return nil
		}
	}
	if err := r.download(ctx, s, p, progress); err != nil || !p.resumed || p.verify() == nil {
		return err
	}
	// Once, however often the line breaks: a server must not keep us at it.
	if err := p.Begin("", false); err != nil {
		return err
	}
	return r.download(ctx, s, p, progress)
}

// download fetches what is missing of a payload. What the server said of its
// length before is not relied on: no more is read than the cache has room for.
func (r *run) download(ctx context.Context, s signed, p *payload, progress func(done, total int64)) error {
	free, err := r.cache.FreeBytes()
	if err != nil {
		return err
	}
	limit, room := p.maxBytes, max(0, p.Len()+free-cacheReserveBytes)
	before := p.receivedBytes
	err = r.server.payload(ctx, s.version, p.kind, p, min(limit, room), progress)
	r.fetchedBytes += p.receivedBytes - before
	var tooLarge *fetch.TooLargeError
	switch {
	case err == nil:
		err = p.settle()
	case errors.As(err, &tooLarge) && tooLarge.DeclaredBytes > limit:
		err = r.checkLength(s, p.kind, tooLarge.DeclaredBytes, limit)
	case errors.Is(err, fetch.ErrTooLarge) && room < limit:
		err = means(cache.ErrNoSpace, err)
	}
	if errors.Is(err, fetch.ErrTooLarge) || errors.Is(err, cache.ErrNoSpace) {
		// Either this is not the beginning of the payload, or it takes room
		// that others need.
		err = errors.Join(err, p.Truncate())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.kind, err)
	}
	return nil
}

// verify is the second half of step 3: the signatures over the bytes that are
// in the cache, then over the image where it is rebuilt from them, then that the
// two payloads belong together.
func (r *run) verify(ctx context.Context, f *fetched) (*verified, error) {
	r.progress.enter(f.version.String(), StageVerifying)
	err := f.efiboot.check()
	if other := f.core.file.check(); err != nil {
		// Of what form the image would have been does not matter any more.
		err = errors.Join(err, other)
	} else {
		err = f.core.fault(other)
	}
	if err == nil {
		err = r.readImage(ctx, f)
	}
	if err == nil {
		// Payloads that do not belong together are kept all the same: they are
		// what the server has, and the fault may be in the configuration.
		err = r.config.checkContent(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return &verified{f}, nil
}

// check verifies the signature. What it does not hold for is not kept.
func (p *payload) check() error {
	err := p.verify()
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("%s: %w", p.kind, err), p.Truncate())
}
