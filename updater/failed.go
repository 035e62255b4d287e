// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"fmt"
	"slices"

	"github.com/clipos/updater/policy"
)

// A version has failed when it was booted and did not come up good: its boot
// counter is spent, or somebody said so. That is remembered when its volume has
// long been overwritten, until somebody forgives it, starts it on purpose or says
// that it is good after all.

// Failed returns the versions that are not installed again, the last one
// first. Installed is what is on the disk.
func (r Record) Failed(installed []Installed) []string {
	failed := slices.Clone(r.FailedVersions)
	for _, i := range installed {
		if i.State == InstalledFailed && !slices.Contains(r.Forgiven, i.Version) && !slices.Contains(failed, i.Version) {
			failed = append(failed, i.Version)
		}
	}
	return failed
}

func (u *Updater) notFailed(d disk, v policy.Version) error {
	if slices.Contains(u.store.Record().Failed(u.installed(d)), v.String()) {
		return fmt.Errorf("%s: %w", v, ErrFailedBefore)
	}
	return nil
}

// condemn remembers that a version has failed.
func condemn(r *Record, v policy.Version) {
	forget(r, v)
	r.FailedVersions = slices.Insert(r.FailedVersions, 0, v.String())
}

// forget takes back everything that was ever said about a version.
func forget(r *Record, v policy.Version) {
	is := func(other string) bool { return other == v.String() }
	r.FailedVersions = slices.DeleteFunc(r.FailedVersions, is)
	r.Forgiven = slices.DeleteFunc(r.Forgiven, is)
}

// Forgive allows a version that has failed to be installed again; installed is
// what is on the disk. One that has not failed is ErrUnknownVersion.
func (u *Updater) Forgive(version string, installed []Installed) error {
	v, err := policy.ParseVersion(version)
	if err != nil {
		return err
	}
	if !slices.Contains(u.store.Record().Failed(installed), v.String()) {
		return fmt.Errorf("%w: %s has not failed here", ErrUnknownVersion, v)
	}
	return u.store.Change(func(r *Record) {
		forget(r, v)
		// Its counter may be spent: that says nothing any more.
		r.Forgiven = append(r.Forgiven, v.String())
	})
}
