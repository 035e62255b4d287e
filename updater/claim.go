// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"fmt"
	"strings"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/policy"
)

// claimed is a verified release with destinations that were found free and
// large enough. The volume to be overwritten, where there is one, is held
// open exclusively until the update ends.
type claimed struct {
	*verified
	target policy.Target
	// device is nil when the volume has to be created.
	device lvm.Device
	// stale are the boot entries to be removed before the volume is written.
	stale []string
	// entry is the file name of the new boot entry.
	entry string
	// pin is what the loader's default becomes where repin says that it is to
	// be changed, "" for none; needed: the new entry does not start otherwise.
	pin           string
	repin, needed bool
}

func (c *claimed) close() {
	if c.device != nil {
		// Everything written was flushed and read back; closing can only
		// lose what the kernel has reported already.
		_ = c.device.Close()
	}
}

// claim is step 4: every destination is checked before any is changed.
func (r *run) claim(ctx context.Context, v *verified) (*claimed, error) {
	d, err := r.survey(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range d.volumes.Warnings {
		r.note("%s", w)
	}
	c := &claimed{verified: v}
	if err := r.claimVolume(ctx, d, c); err != nil {
		return nil, err
	}
	if err := r.claimEntry(d, c); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (r *run) claimVolume(ctx context.Context, d disk, c *claimed) error {
	target, capacity, err := r.target(d, c.version)
	if err != nil {
		return err
	}
	c.target = target
	name, imageBytes := volumeName(c.version), c.core.sizeBytes
	if imageBytes > capacity {
		return fmt.Errorf("%s: %w: the image has %d bytes, the volume %d", name, ErrVolumeTooSmall, imageBytes, capacity)
	}
	if target.Replaces.IsZero() {
		r.note("%s is created: %s", name, target.Reason)
		return checkSparseRoom(d.volumes, imageBytes)
	}
	r.note("%s is overwritten: %s", volumeName(target.Replaces), target.Reason)
	c.device, err = r.volumes.Open(ctx, volumeName(target.Replaces))
	if err == nil && c.device.SizeBytes() < imageBytes {
		c.close()
		err = fmt.Errorf("%s: %w: the image has %d bytes, the volume %d", name, ErrVolumeTooSmall, imageBytes, c.device.SizeBytes())
	}
	if err != nil {
		return writeFailed(err)
	}
	return nil
}

// checkGroupRoom: a new volume takes all of its size at once.
func checkGroupRoom(s lvm.Survey) error {
	if !s.Sparse && s.NewSizeBytes > s.FreeBytes {
		return fmt.Errorf("%w: a new volume takes %d bytes, %d are free", ErrNoSpaceVolumeGroup, s.NewSizeBytes, s.FreeBytes)
	}
	return nil
}

// checkSparseRoom: a sparse volume takes what is written to it.
func checkSparseRoom(s lvm.Survey, imageBytes int64) error {
	if s.Sparse && imageBytes > s.FreeBytes {
		return fmt.Errorf("%w: the image has %d bytes, %d are free", ErrNoSpaceVolumeGroup, imageBytes, s.FreeBytes)
	}
	return nil
}

func (r *run) claimEntry(d disk, c *claimed) error {
	name := r.entryName(c.version)
	c.entry = name.String()
	remaining, freed := r.split(d, c)
	if err := checkNameFree(remaining, c.entry); err != nil {
		return err
	}
	need := roundUp(c.efiboot.Len(), d.entries.BlockBytes)
	if free := d.entries.FreeBytes + freed; need > free {
		return fmt.Errorf("%s: %w: %d bytes are needed, %d are free", c.entry, ErrNoSpaceESP, need, free)
	}
	return r.claimBootOrder(d, c, name, remaining)
}

// split divides the entries into those that stay and those to be removed,
// and says how much room the latter give back. Removed are, of our own and
// never the running system's: the one whose volume is overwritten, leftovers
// of this version, and those whose volume is not there.
func (r *run) split(d disk, c *claimed) (remaining []efi.Entry, freedBytes int64) {
	stale := map[string]bool{}
	for _, e := range d.own() {
		_, hasVolume := d.volume(e.version)
		overwritten := e.version.Compare(c.version) == 0 || e.version.Compare(c.target.Replaces) == 0
		if d.isProtected(e.version) || hasVolume && !overwritten {
			continue
		}
		stale[e.File] = true
		if !overwritten {
			r.note("%s is removed: its volume is not there", e.File)
		}
	}
	for _, e := range d.entries.Entries {
		if stale[e.File] {
			c.stale = append(c.stale, e.File)
			freedBytes += roundUp(e.SizeBytes, d.entries.BlockBytes)
		} else {
			remaining = append(remaining, e)
		}
	}
	return remaining, freedBytes
}

// checkNameFree: on FAT a name is taken in whatever case it is spelt, and what
// has our name without being a file of ours is not ours to remove.
func checkNameFree(remaining []efi.Entry, entry string) error {
	for _, e := range remaining {
		if strings.EqualFold(e.File, entry) || strings.EqualFold(e.File, entry+efi.TemporarySuffix) {
			return means(ErrWriteFailed, fmt.Errorf("%s: %q is in its place and not ours to remove", entry, e.File))
		}
	}
	return nil
}

func roundUp(n, block int64) int64 {
	if block <= 0 {
		return n
	}
	return (n + block - 1) / block * block
}
