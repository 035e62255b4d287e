// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/clipos/updater/efi"
)

// cleared is a claimed release whose volume no boot entry leads to.
type cleared struct{ *claimed }

// installed is a release whose volume is whole and whose EFI binary waits
// under a temporary name, both read back from the disk.
type installed struct{ *cleared }

// clear is step 5. From here to the end of install the fallback is gone; the
// running system boots as before.
func (r *run) clear(ctx context.Context, c *claimed) (*cleared, error) {
	r.progress.enter(c.version.String(), StageInstalling)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.changed = true
	for _, file := range c.stale {
		if err := r.entries.Remove(file); err != nil {
			return nil, writeFailed(err)
		}
	}
	return &cleared{c}, nil
}

// install is step 6 and what of step 7 can still be given up.
func (r *run) install(ctx context.Context, c *cleared) (*installed, error) {
	if err := r.prepareVolume(ctx, c); err != nil {
		return nil, writeFailed(err)
	}
	for _, w := range r.volumes.Warnings() {
		r.note("%s", w)
	}
	if err := r.writeCore(ctx, c); err != nil {
		return nil, fmt.Errorf("%s: %w", volumeName(c.version), writeFailed(err))
	}
	if err := r.stageEntry(ctx, c); err != nil {
		return nil, fmt.Errorf("%s: %w", c.entry, writeFailed(err))
	}
	return &installed{c}, nil
}

// prepareVolume gives the volume its new name, or makes one. Where the name
// fits already the group's metadata is not changed: its commit is the weakest
// moment of an update on a disk that reorders writes.
func (r *run) prepareVolume(ctx context.Context, c *cleared) (err error) {
	name := volumeName(c.version)
	switch {
	case c.target.Replaces.IsZero():
		if err := r.volumes.Create(ctx, name); err != nil {
			return err
		}
		if c.device, err = r.volumes.Open(ctx, name); err != nil {
			return err
		}
		if size := c.device.SizeBytes(); size < c.core.sizeBytes {
			return fmt.Errorf("%s: %w: the image has %d bytes, the volume %d", name, ErrVolumeTooSmall, c.core.sizeBytes, size)
		}
		return nil
	case c.target.Replaces.Compare(c.version) == 0:
		return nil
	}
	return r.volumes.Rename(ctx, volumeName(c.target.Replaces), name)
}

// stageEntry writes the EFI binary under its temporary name and reads it back:
// the boot loader gives up on a binary that does not load and the machine
// hangs, so it has to be right before it gets a name that boots.
func (r *run) stageEntry(ctx context.Context, c *cleared) error {
	written, err := r.entries.Stage(ctx, c.entry, c.efiboot.reader())
	if err != nil {
		return err
	}
	verifier := r.config.key.NewVerifier(c.efiboot.signature)
	_, err = io.Copy(verifier, written)
	if err = errors.Join(err, written.Close()); err == nil && verifier.Verify() != nil {
		err = ErrReadBackMismatch
	}
	if err != nil {
		return errors.Join(err, r.entries.Remove(c.entry+efi.TemporarySuffix))
	}
	return nil
}

// writeFailed names an error of a destination that has no name yet.
func writeFailed(err error) error {
	for _, named := range []error{
		ErrReadBackMismatch, ErrVolumeTooSmall, ErrVolumeInUse, ErrNoSpaceVolumeGroup, ErrNoSpaceESP,
		ErrVolumeGroupNotFound, ErrESPNotMounted, ErrBootOrderConflict, context.Canceled,
	} {
		if errors.Is(err, named) {
			return err
		}
	}
	return means(ErrWriteFailed, err)
}
