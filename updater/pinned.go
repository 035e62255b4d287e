// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/policy"
)

// pinned are the versions whose entries somebody else made the loader's default,
// and which are therefore not overwritten: the default would name nothing then.
// The running one is none of them, it is protected anyway. A pattern that the
// entry of release will match too pins nothing: it goes with the updates.
func (u *Updater) pinned(d disk, release policy.Version) []policy.Version {
	value := d.entries.Default
	if value == "" || efi.OwnDefault(u.config.OSName, value) || defaultNames(value, u.entryName(release)) {
		return nil
	}
	var versions []policy.Version
	for _, v := range d.versions() {
		_, hasVolume := d.volume(v)
		matches := slices.ContainsFunc(d.entriesOf(v), func(e ownEntry) bool {
			return efi.DefaultMatches(value, e.File) || defaultNames(value, e.Name)
		})
		if matches && hasVolume && !d.isProtected(v) && v.Compare(release) != 0 {
			versions = append(versions, v)
		}
	}
	return versions
}

// defaultNames tells whether a loader's default names an entry, now or once its
// boot counter is taken away.
func defaultNames(value string, n efi.Name) bool {
	counted := n.String()
	n.Counted = false
	return efi.DefaultMatches(value, counted) || efi.DefaultMatches(value, n.String())
}

// target chooses the volume that a version goes to and says what it holds. Where
// somebody pinned a version, the reason says so, and so does the error.
func (u *Updater) target(d disk, v policy.Version) (policy.Target, int64, error) {
	pinned := u.pinned(d, v)
	// Only here: a pinned version may well be what boots next.
	d.protected = slices.Concat(d.protected, pinned)
	t, capacityBytes, err := chooseTarget(d, v)
	if len(pinned) == 0 {
		return t, capacityBytes, err
	}
	var names []string
	for _, p := range pinned {
		names = append(names, volumeName(p))
	}
	why := fmt.Sprintf("%s stays, the boot loader's default is set to %q", strings.Join(names, ", "), d.entries.Default)
	if err != nil {
		return t, capacityBytes, fmt.Errorf("%w; %s (bootctl set-default \"\" ends that)", err, why)
	}
	t.Reason += "; " + why
	return t, capacityBytes, nil
}
