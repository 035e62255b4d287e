// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/efi"
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
	// The default first: until the entry has its name the pattern matches
	// nothing and the loader sorts as before.
	if i.pin != "" || i.unpin {
		if err := r.entries.SetDefault(i.pin); err != nil {
			if i.pin != "" {
				return nil, r.unstage(i, means(ErrBootOrderConflict, err))
			}
			r.note("the boot loader's default, which is not needed any more, stays: %v", err)
		}
	}
	if err := r.entries.Publish(i.entry); err != nil {
		return nil, r.unstage(i, writeFailed(err))
	}
	return &swapped{i}, nil
}

func (r *run) unstage(i *installed, err error) error {
	return errors.Join(fmt.Errorf("%s: %w", i.entry, err), r.entries.Remove(i.entry+temporarySuffix))
}

// finish is step 8. The release boots next whatever happens here, so nothing
// fails any more: what goes wrong is noted, and put right at the next start.
func (r *run) finish(s *swapped) {
	if err := r.setMarker(true); err != nil {
		r.note("the marker is missing: %v", err)
	}
	if err := r.store.Change(func(rec *Record) { rec.PendingVersion = s.version.String() }); err != nil {
		r.note("the pending version is not recorded: %v", err)
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

// keepDefault takes the loader's default away when it is ours and the order
// is right without it, or when it names nothing any more.
func (u *Updater) keepDefault(d disk) error {
	if !efi.OwnDefault(u.config.OSName, d.entries.Default) {
		return nil
	}
	first, _ := u.config.firstOwn(d.entries.Entries)
	for _, e := range d.own() {
		if efi.DefaultMatches(d.entries.Default, e.File) && e.File != first && !e.Name.Temporary {
			return nil
		}
	}
	return u.entries.SetDefault("")
}
