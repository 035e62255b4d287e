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

// payload is one part of a release in the cache. The file stays open from the
// first byte fetched to the last byte installed.
type payload struct {
	*digest
	kind      payloadKind
	signature minisig.Signature
}

func (p *payload) reader() io.Reader { return io.NewSectionReader(p.File, 0, p.Len()) }

// fetched is a release whose payloads are complete in the cache.
type fetched struct {
	version       policy.Version
	core, efiboot *payload
}

// verified is a release whose payloads are signed for its version and belong
// together. Only verify makes one.
type verified struct{ *fetched }

func (f *fetched) close() error {
	var errs []error
	for _, p := range []*payload{f.core, f.efiboot} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

func cacheName(v policy.Version, kind payloadKind) string { return fmt.Sprintf("%s-%s", v, kind) }

// maxNewCoreBytes is what a core image is believed to measure before its
// volume is found too small: a server that claims more is up to something.
const maxNewCoreBytes = 4 << 30

// sizes are what the server says the payloads measure, nil when it does not.
func (r *run) sizes(ctx context.Context, s signed) (map[payloadKind]int64, error) {
	sizes := map[payloadKind]int64{}
	for _, kind := range kinds {
		n, err := r.server.sizeBytes(ctx, s.version, kind)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		if n < 0 {
			return nil, nil
		}
		if err := r.checkLength(s, kind, n); err != nil {
			return nil, err
		}
		sizes[kind] = n
	}
	return sizes, nil
}

// downloadBytes is the size of both payloads, 0 when the server does not say.
func (r *run) downloadBytes(ctx context.Context, s signed) (int64, error) {
	sizes, err := r.sizes(ctx, s)
	return sizes[kindCore] + sizes[kindEFIBoot], err
}

// cacheReserveBytes is left free on the cache's file system, for our own record
// and for everybody else who writes there.
const cacheReserveBytes = 16 << 20

// maxBytes is the most that is read of a payload.
func maxBytes(a accepted, kind payloadKind) int64 {
	if kind == kindCore {
		return a.capacityBytes
	}
	return maxEFIBootBytes
}

// checkLength judges a length that the server declares.
func (r *run) checkLength(s signed, kind payloadKind, declared int64) error {
	limit := maxBytes(s.accepted, kind)
	switch {
	case declared <= limit:
		return nil
	case kind == kindCore && declared <= max(limit, r.config.Core.SizeBytes, maxNewCoreBytes):
		return fmt.Errorf("%s: %w: the server declares %d bytes, the volume holds %d", volumeName(s.version), ErrVolumeTooSmall, declared, limit)
	}
	return fmt.Errorf("%s: %w: the server declares %d bytes, at most %d are accepted", kind, ErrResponseTooLarge, declared, limit)
}

// fetch is the first half of step 3. What an earlier run left of this
// release is used; what it left of others is removed.
func (r *run) fetch(ctx context.Context, s signed) (*fetched, error) {
	r.progress.enter(s.version.String(), StageFetching)
	if err := r.cache.Keep(cacheName(s.version, kindCore), cacheName(s.version, kindEFIBoot)); err != nil {
		return nil, err
	}
	total, err := r.downloadBytes(ctx, s)
	if err != nil {
		return nil, err
	}
	f := &fetched{version: s.version}
	if f.efiboot, err = r.open(s, kindEFIBoot); err == nil {
		f.core, err = r.open(s, kindCore)
	}
	if err == nil {
		err = r.checkCacheRoom(f, total)
	}
	var before int64
	for _, p := range []*payload{f.efiboot, f.core} {
		if err == nil {
			err = r.fetchPayload(ctx, s, p, func(done, _ int64) {
				r.progress.bytes(before+done, total)
			})
			before += p.Len()
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (r *run) open(s signed, kind payloadKind) (*payload, error) {
	file, err := r.cache.File(cacheName(s.version, kind))
	if err != nil {
		return nil, err
	}
	sig := s.signatures[kind]
	return &payload{newDigest(file, r.config.key.NewVerifier(sig)), kind, sig}, nil
}

func (r *run) checkCacheRoom(f *fetched, total int64) error {
	free, err := r.cache.FreeBytes()
	if err != nil {
		return err
	}
	need := total - f.core.Len() - f.efiboot.Len()
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
	limit, room := maxBytes(s.accepted, p.kind), max(0, p.Len()+free-cacheReserveBytes)
	before := p.receivedBytes
	err = r.server.payload(ctx, s.version, p.kind, p, min(limit, room), progress)
	r.fetchedBytes += p.receivedBytes - before
	var tooLarge *fetch.TooLargeError
	switch {
	case err == nil:
		err = p.settle()
	case errors.As(err, &tooLarge) && tooLarge.DeclaredBytes > limit:
		err = r.checkLength(s, p.kind, tooLarge.DeclaredBytes)
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

// verify is the second half of step 3: both signatures over the bytes that
// are in the cache, then that the two belong together.
func (r *run) verify(f *fetched) (*verified, error) {
	r.progress.enter(f.version.String(), StageVerifying)
	err := errors.Join(f.efiboot.check(), f.core.check())
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
