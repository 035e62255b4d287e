// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"time"
)

// tidyLimit is how long a cancelled update may still tidy up: LVM waits for as
// long as somebody else holds the group's lock. The next start does it as well.
const tidyLimit = 500 * time.Millisecond

// tidy follows an update that did not happen. What waited for a reboot may be
// what was to be overwritten, or still wait without its marker; and what was
// fetched for a version that is installed already, or offered no more, is of
// no use. An update that ended before it changed anything leaves nothing to do,
// and LVM is not asked for it.
func (r *run) tidy(ctx context.Context, err error) {
	var undone error
	noUpdate := errors.Is(err, ErrNoUpdate)
	if noUpdate || r.changed {
		undone = r.mendMarker(ctx)
	}
	if noUpdate {
		undone = errors.Join(undone, r.cache.Keep())
	}
	if undone != nil {
		r.note("cannot tidy up: %v", undone)
	}
}

// mendMarker makes the marker say what is on the disk.
func (r *run) mendMarker(ctx context.Context) error {
	longer, cancel := outlive(ctx, tidyLimit)
	defer cancel()
	list, err := r.Installed(longer)
	if err != nil {
		return err
	}
	return r.setMarker(pending(list) != "")
}

// outlive returns a context that is done a while after ctx is.
func outlive(ctx context.Context, d time.Duration) (longer context.Context, cancel func()) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, end) })
	return longer, func() { stop(); end() }
}
