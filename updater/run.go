// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/policy"
)

// run is one update under way.
type run struct {
	*Updater
	progress *progress
	// version is what is being installed, zero while not known.
	version policy.Version
	// fetchedBytes came from the server.
	fetchedBytes int64
	// changed: something outside the cache may be another than before.
	changed bool
	notes   []string
}

func (r *run) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// volumePrefix comes before the version in the name of a core volume.
const volumePrefix = "core_"

func volumeName(v policy.Version) string { return volumePrefix + v.String() }

// disk is what the volumes and the boot entries were at one moment.
type disk struct {
	volumes lvm.Survey
	entries efi.Survey
	// anyFile: without content binding an entry may be any file.
	anyFile bool
	// protected are the running version and the one the loader says it
	// started, which is the same on a healthy machine. See also pinned.
	protected []policy.Version
}

func (u *Updater) survey(ctx context.Context) (disk, error) {
	volumes, err := u.volumes.Survey(ctx)
	if err != nil {
		return disk{}, err
	}
	entries, err := u.entries.Survey()
	if err != nil {
		return disk{}, err
	}
	d := disk{volumes, entries, !u.config.Trust.ContentBinding, []policy.Version{u.config.Running}}
	if name, ok := efi.ParseName(u.config.OSName, entries.Selected); ok {
		if v, err := policy.ParseVersion(name.Version); err == nil {
			d.protected = append(d.protected, v)
		}
	}
	return d, nil
}

// slots are the volumes that hold versions; core_state is none.
func (d disk) slots() []policy.Slot {
	var slots []policy.Slot
	for _, v := range d.volumes.Volumes {
		if version, ok := volumeVersion(v.Name); ok {
			slots = append(slots, policy.Slot{Version: version, InUse: v.InUse})
		}
	}
	return slots
}

func volumeVersion(name string) (policy.Version, bool) {
	text, ok := strings.CutPrefix(name, volumePrefix)
	if !ok {
		return policy.Version{}, false
	}
	v, err := policy.ParseVersion(text)
	return v, err == nil
}

// volume returns the volume of a version.
func (d disk) volume(v policy.Version) (lvm.Volume, bool) {
	for _, vol := range d.volumes.Volumes {
		if vol.Name == volumeName(v) {
			return vol, true
		}
	}
	return lvm.Volume{}, false
}

// ownEntry is a boot entry of this product with a valid version.
type ownEntry struct {
	efi.Entry
	version policy.Version
	// whole: as far as can be seen without a signature, the loader can start it.
	whole bool
}

// own returns our entries, temporary ones included, in the folder's order.
func (d disk) own() []ownEntry {
	var own []ownEntry
	for _, e := range d.entries.Entries {
		if !e.Ours {
			continue
		}
		if v, err := policy.ParseVersion(e.Name.Version); err == nil {
			own = append(own, ownEntry{e, v, e.SizeBytes > 0 && (d.anyFile || e.Damaged == nil)})
		}
	}
	return own
}

// entriesOf returns the entries of a version under their final names.
func (d disk) entriesOf(v policy.Version) []ownEntry {
	return slices.DeleteFunc(d.own(), func(e ownEntry) bool {
		return e.version.Compare(v) != 0 || e.Name.Temporary
	})
}

// boots tells whether a version can be started: it has a volume and an entry
// that can.
func (d disk) boots(v policy.Version) bool {
	_, hasVolume := d.volume(v)
	return hasVolume && slices.ContainsFunc(d.entriesOf(v), ownEntry.startable)
}

// isSpent tells that the boot loader has given a version's entry up.
func (d disk) isSpent(v policy.Version) bool {
	return slices.ContainsFunc(d.entriesOf(v), ownEntry.exhausted)
}

// startable tells that the loader can start an entry: it is whole and has tries
// left.
func (e ownEntry) startable() bool { return e.whole && !e.exhausted() }

// exhausted tells that the boot loader has given an entry up.
func (e ownEntry) exhausted() bool { return e.Name.Counted && e.Name.TriesLeft == 0 }

// isProtected tells whether a version runs.
func (d disk) isProtected(v policy.Version) bool {
	return slices.ContainsFunc(d.protected, func(p policy.Version) bool { return p.Compare(v) == 0 })
}
