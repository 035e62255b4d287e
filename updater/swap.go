// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/clipos/updater/efi"
	"golang.org/x/sys/unix"
)

// swapped is a release that boots next.
type swapped struct{ *installed }

// swap is step 7: the one rename that makes the new system bootable. It is
// short and finishes: ctx counts only up to the report that says so, so that
// a cancellation is either accepted and obeyed, or refused.
func (r *run) swap(ctx context.Context, i *installed) (*swapped, error) {
	r.progress.enter(i.version.String(), StageSwapping)
	if err := ctx.Err(); err != nil {
		return nil, r.unstage(i, err)
	}
	// Recorded first: should the power fail between the entry and the loader's
	// default, the next start knows which version the default was meant for.
	if err := r.store.Change(func(rec *Record) { await(rec, i.version, r.config.BootID) }); err != nil {
		return nil, r.unstage(i, writeFailed(err))
	}
	if err := r.entries.Publish(i.entry); err != nil {
		return nil, r.unstage(i, writeFailed(err))
	}
	return &swapped{i}, r.setDefault(i)
}

// setDefault comes after the entry: as long as the default is the old one, or
// none, the loader starts the running system.
func (r *run) setDefault(i *installed) error {
	if !i.repin {
		return nil
	}
	err := r.entries.SetDefault(i.pin)
	switch {
	case err == nil:
		return nil
	case !i.needed:
		r.note("the boot loader's default, which is not needed any more, stays: %v", err)
		return nil
	}
	// An entry that the loader would not start says what is not so.
	return errors.Join(means(ErrBootOrderConflict, err), r.entries.Remove(i.entry))
}

func (r *run) unstage(i *installed, err error) error {
	return errors.Join(fmt.Errorf("%s: %w", i.entry, err), r.entries.Remove(i.entry+efi.TemporarySuffix))
}

// finish is step 8. The release boots next whatever happens here, so nothing
// fails any more: what goes wrong is noted, and put right at the next start.
func (r *run) finish(s *swapped) {
	if err := r.setMarker(true); err != nil {
		r.note("the marker is missing: %v", err)
	}
	if err := r.cache.Keep(); err != nil {
		r.note("the cache is not empty: %v", err)
	}
	r.progress.enter(s.version.String(), StageDone)
}

// setMarker makes or removes /run/update_ready.
func (u *Updater) setMarker(present bool) error {
	path := u.paths.At(markerFile)
	if !present {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}
