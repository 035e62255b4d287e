// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"slices"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/policy"
)

// Installed lists the versions found on disk, newest first.
func (u *Updater) Installed(ctx context.Context) ([]Installed, error) {
	d, err := u.survey(ctx)
	if err != nil {
		return nil, err
	}
	return u.installed(d), nil
}

func (u *Updater) installed(d disk) []Installed {
	var list []Installed
	for _, v := range d.versions() {
		list = append(list, u.describe(d, v))
	}
	return list
}

// versions are those with a volume or an entry, newest first, each once.
func (d disk) versions() []policy.Version {
	var all []policy.Version
	for _, s := range d.slots() {
		all = append(all, s.Version)
	}
	for _, e := range d.own() {
		if !e.Name.Temporary {
			all = append(all, e.version)
		}
	}
	slices.SortFunc(all, func(a, b policy.Version) int { return b.Compare(a) })
	return slices.CompactFunc(all, func(a, b policy.Version) bool { return a.Compare(b) == 0 })
}

// isPending tells that the loader starts a version that does not run: a newer
// one, or an older one that it was told to start. A default of ours tells it
// nothing while it does not match the running version in its last try.
func (u *Updater) isPending(d disk, v policy.Version) bool {
	if v.Compare(u.bootsNext(d)) != 0 || d.isProtected(v) {
		return false
	}
	record := u.store.Record()
	inLastTry := d.isSpent(u.config.Running) && !slices.Contains(record.FailedVersions, u.config.Running.String())
	return v.Compare(u.config.Running) > 0 || record.PendingVersion == v.String() ||
		efi.OwnDefault(u.config.OSName, d.entries.Default) && !inLastTry
}

func (u *Updater) describe(d disk, v policy.Version) Installed {
	i := Installed{Version: v.String(), State: InstalledIncomplete, TriesLeft: -1, TriesDone: -1}
	vol, hasVolume := d.volume(v)
	if hasVolume {
		i.Volume, i.SizeBytes = vol.Name, vol.SizeBytes
	}
	var entry ownEntry
	for _, e := range d.entriesOf(v) {
		entry = e
	}
	i.Entry = entry.File
	if entry.Name.Counted {
		i.TriesLeft, i.TriesDone = entry.Name.TriesLeft, entry.Name.TriesDone
	}
	bootable := d.boots(v)
	switch {
	case v.Compare(u.config.Running) == 0:
		i.State = InstalledRunning
	case hasVolume && (entry.exhausted() || slices.Contains(u.store.Record().FailedVersions, i.Version)):
		i.State = InstalledFailed
	case bootable && u.isPending(d, v):
		i.State = InstalledPending
	case bootable:
		i.State = InstalledFallback
	}
	return i
}
