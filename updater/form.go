// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/internal/minisig"
)

// Method is how a core image comes to this machine. The value is the public
// name everywhere.
type Method string

// The methods, in the order in which they are tried.
const (
	MethodPatch Method = "patch" // what differs from the image that runs
	MethodZstd  Method = "zstd"  // the image, compressed
	MethodPlain Method = "plain" // the image itself
)

// form is a file on the server from which a core image can be had.
type form struct {
	method Method
	kind   payloadKind
	// sizeBytes is the size of the file, -1 when the server does not say.
	sizeBytes int64
	// signature is nil until it has been asked for, and for the plain image.
	signature *minisig.Signature
}

// kindZstd is the core image compressed with zstd.
const kindZstd payloadKind = "core.zst"

// patchFrom is the patch for machines that run a version.
func patchFrom(v policy.Version) payloadKind {
	return payloadKind(fmt.Sprintf("core.from-%s.patch", v))
}

// compactForms are the files that spare a machine the plain image.
func (u *Updater) compactForms() []form {
	return []form{
		{method: MethodPatch, kind: patchFrom(u.config.Running), sizeBytes: -1},
		{method: MethodZstd, kind: kindZstd, sizeBytes: -1},
	}
}

// formError is what was wrong with a form, or with the base of a patch: another
// form may do.
type formError struct{ error }

func (e *formError) Unwrap() error { return e.error }

// fault marks an error as the form's own, unless it is an outage.
func (f form) fault(err error) error {
	if err == nil || isOutage(err) {
		return err
	}
	return &formError{err}
}

// isOutage tells that the server cannot be reached, or not fast enough. Another
// form would be larger and have the same fate, after as much time again: the
// update ends, and the next one goes on with what there is of this form.
func isOutage(err error) bool {
	return errors.Is(err, ErrNetworkUnavailable) || errors.Is(err, ErrTooSlow)
}

// offer is a signed release with the ways to its core image, the one to be
// tried first in front.
type offer struct {
	signed
	// efibootBytes and coreBytes are the sizes of the payloads, -1 when the
	// server does not say.
	efibootBytes, coreBytes int64
	forms                   []form
}

// downloadBytes is what an empty cache takes, 0 when the server does not say.
func (o offer) downloadBytes() int64 {
	if o.efibootBytes < 0 || o.forms[0].sizeBytes < 0 {
		return 0
	}
	return o.efibootBytes + o.forms[0].sizeBytes
}

// offers asks what the server has of a release, and how large it is.
func (r *run) offers(ctx context.Context, s signed) (offer, error) {
	o := offer{signed: s}
	var err error
	if o.efibootBytes, err = r.sizeBytes(ctx, s, kindEFIBoot, maxEFIBootBytes); err != nil {
		return offer{}, err
	}
	if o.coreBytes, err = r.sizeBytes(ctx, s, kindCore, s.capacityBytes); err != nil {
		return offer{}, err
	}
	for _, f := range r.compactForms() {
		there, err := r.measure(ctx, o, &f)
		if err := ctx.Err(); err != nil {
			return offer{}, err
		}
		if isOutage(err) {
			return offer{}, fmt.Errorf("%s: %w", f.kind, err)
		}
		if err != nil {
			r.note("%s is not used: %v", f.kind, err)
		} else if there {
			o.forms = append(o.forms, f)
		}
	}
	o.forms = append(o.forms, form{method: MethodPlain, kind: kindCore, sizeBytes: o.coreBytes})
	return o, r.preferCached(o)
}

// sizeBytes is what the server says a payload measures, -1 when it does not.
func (r *run) sizeBytes(ctx context.Context, s signed, kind payloadKind, limit int64) (int64, error) {
	n, err := r.server.sizeBytes(ctx, s.version, kind)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", kind, err)
	}
	return n, r.checkLength(s, kind, n, limit)
}

// measure asks for the size of a compact form, and whether the server has it.
// One that spares nothing is an error.
func (r *run) measure(ctx context.Context, o offer, f *form) (there bool, err error) {
	f.sizeBytes, err = r.server.declaredBytes(ctx, o.version, f.kind)
	if isNotFound(err) {
		return false, nil
	}
	if isRefused(err) {
		return r.findSignature(ctx, o, f)
	}
	if limit := o.maxBytes(*f); err == nil && f.sizeBytes > limit {
		err = fmt.Errorf("%w: the server declares %d bytes, at most %d are accepted", ErrResponseTooLarge, f.sizeBytes, limit)
	}
	return err == nil, err
}

// findSignature tells by its signature whether the server has a form whose size
// it does not say. One without a signature is of no use anyway.
func (r *run) findSignature(ctx context.Context, o offer, f *form) (there bool, err error) {
	signature, err := r.formSignature(ctx, o, *f)
	if isAbsent(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("signature: %w", err)
	}
	f.signature = &signature
	return true, nil
}

// maxBytes is the most that is read of a form: less than of the plain image.
func (o offer) maxBytes(f form) int64 {
	if f.method == MethodPlain || o.coreBytes < 0 {
		return o.capacityBytes
	}
	return o.coreBytes - 1
}

// preferCached puts a form in front that an earlier run had to fall back on, and
// of which less is left to fetch than of the one before it. Where the server
// does not tell sizes, the order stays.
func (r *run) preferCached(o offer) error {
	best, least := 0, int64(-1)
	for i, f := range o.forms {
		if f.sizeBytes < 0 {
			return nil
		}
		have, err := r.cache.ReusableBytes(cacheName(o.version, f.kind), f.sizeBytes)
		if err != nil {
			return err
		}
		if left := f.sizeBytes - have; least < 0 || have > 0 && left < least {
			best, least = i, left
		}
	}
	preferred := o.forms[best]
	copy(o.forms[1:best+1], o.forms[:best])
	o.forms[0] = preferred
	return nil
}

// fetchForms is step 3: one form after the other, until a release is fetched
// and verified. What is wrong with a form is noted; an outage ends it.
func (r *run) fetchForms(ctx context.Context, s signed) (*verified, error) {
	o, err := r.beginFetching(ctx, s)
	if err != nil {
		return nil, err
	}
	for {
		v, err := r.fetchForm(ctx, o)
		if _, ok := errors.AsType[*formError](err); !ok || ctx.Err() != nil || len(o.forms) == 1 {
			return v, err
		}
		r.note("%v; %s is used instead", err, o.forms[1].kind)
		o.forms = o.forms[1:]
		if err := r.makeRoom(o); err != nil {
			return nil, err
		}
		r.progress.enter(s.version.String(), StageFetching)
	}
}

// makeRoom removes what there is of the forms given up, where the next one does
// not fit beside it. Otherwise it stays, for the next run to go on from.
func (r *run) makeRoom(o offer) error {
	next := o.forms[0]
	have, err := r.cache.ReusableBytes(cacheName(o.version, next.kind), next.sizeBytes)
	if err != nil {
		return err
	}
	free, err := r.cache.FreeBytes()
	if err != nil || next.sizeBytes >= 0 && next.sizeBytes-have <= free-cacheReserveBytes {
		return err
	}
	return r.keepForms(o.version, o.forms)
}

func (r *run) fetchForm(ctx context.Context, o offer) (*verified, error) {
	f, err := r.fetch(ctx, o)
	if err != nil {
		return nil, err
	}
	return r.verify(ctx, f)
}
