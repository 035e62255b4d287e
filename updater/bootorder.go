// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"fmt"
	"slices"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/policy"
)

// claimBootOrder sees to it that the boot loader will start the new entry: it
// sorts by another rule than semantic versioning, and a pre-release may come
// before the final one. Then the loader's default is set, or the update
// refused, as boot_order says.
func (r *run) claimBootOrder(d disk, c *claimed, name efi.Name, remaining []efi.Entry) error {
	added := efi.NewEntry(r.config.OSName, c.entry, c.efiboot.File, c.efiboot.Len())
	candidates := append(remaining, added)
	first, foreign := r.config.firstOwn(candidates)
	if foreign != "" {
		r.note("the boot loader lists %q before our entries", foreign)
	}
	ownDefault := efi.OwnDefault(r.config.OSName, d.entries.Default)
	if d.entries.Default != "" && !ownDefault {
		r.note("the boot loader's default is set to %q by somebody else and left alone", d.entries.Default)
	}
	if first == c.entry {
		return r.claimUnpin(d, c, candidates)
	}
	why := fmt.Sprintf("it lists %q before %q", first, c.entry)
	switch {
	case r.config.EFIBoot.RefuseBootOrder:
		return fmt.Errorf("%w: %s, and efiboot.boot_order is refuse", ErrBootOrderConflict, why)
	case d.entries.Default != "" && !ownDefault:
		return fmt.Errorf("%w: %s, and its default is set to %q by somebody else", ErrBootOrderConflict, why, d.entries.Default)
	case !d.entries.DefaultWritable:
		return fmt.Errorf("%w: %s, and its variables cannot be written", ErrBootOrderConflict, why)
	}
	c.pin, c.repin, c.needed = efi.DefaultPattern(name), true, true
	if starts := r.config.starts(candidates, c.pin); starts != c.entry {
		return fmt.Errorf("%w: %s, and %q would start %q", ErrBootOrderConflict, why, c.pin, starts)
	}
	r.note("%s: its default is set", why)
	return nil
}

// claimUnpin: the order is right, so that a default of ours goes. After a
// rollback the new entry does not start before it has gone.
func (r *run) claimUnpin(d disk, c *claimed, candidates []efi.Entry) error {
	c.repin = efi.OwnDefault(r.config.OSName, d.entries.Default)
	c.needed = c.repin && r.config.starts(candidates, d.entries.Default) != c.entry
	if c.needed && !d.entries.DefaultWritable {
		return fmt.Errorf("%w: its default is set to %q, and its variables cannot be written", ErrBootOrderConflict, d.entries.Default)
	}
	return nil
}

// firstOwn returns our entry that the loader would start, and the foreign
// entry it lists before that, if any. Without content binding our entries may
// be any files, and count by their names.
func (c *Config) firstOwn(entries []efi.Entry) (own, foreign string) {
	for _, e := range c.menu(entries) {
		switch {
		case e.Ours:
			return e.File, foreign
		case foreign == "":
			foreign = e.File
		}
	}
	return "", foreign
}

// starts returns our entry that the loader starts when its default is pattern:
// the first that matches, else the first.
func (c *Config) starts(entries []efi.Entry, pattern string) string {
	for _, e := range c.menu(entries) {
		if e.Ours && efi.DefaultMatches(pattern, e.File) {
			return e.File
		}
	}
	first, _ := c.firstOwn(entries)
	return first
}

// menu returns the entries that the loader lists, in its order.
func (c *Config) menu(entries []efi.Entry) []efi.Entry {
	var listed []efi.Entry
	for _, e := range entries {
		e.Bootable = e.Bootable || e.Ours && !c.Trust.ContentBinding
		if e.Bootable && !e.Name.Temporary {
			listed = append(listed, e)
		}
	}
	efi.Sort(listed)
	return listed
}

// bootsNext returns the version that the loader starts at the next boot, as
// far as it is ours.
func (u *Updater) bootsNext(d disk) policy.Version {
	file := u.config.starts(d.entries.Entries, d.entries.Default)
	for _, e := range d.own() {
		if e.File == file && !e.Name.Temporary {
			return e.version
		}
	}
	return policy.Version{}
}

// mendDefault sets the loader's default as the version that is to boot next
// needs it, where an interruption kept that from being done, and takes it away
// where it is ours and not needed. Somebody else's stays.
func (u *Updater) mendDefault(d disk) error {
	own := efi.OwnDefault(u.config.OSName, d.entries.Default)
	if d.entries.Default != "" && !own {
		return nil
	}
	pending, err := policy.ParseVersion(u.store.Record().PendingVersion)
	if err == nil && d.boots(pending) {
		pin, err := u.pinFor(d, pending)
		if err != nil || pin == d.entries.Default || pin != "" && u.config.EFIBoot.RefuseBootOrder {
			return err
		}
		return u.entries.SetDefault(pin)
	}
	if !own || u.isNeeded(d) {
		return nil
	}
	return u.entries.SetDefault("")
}

// isNeeded tells that our default names a version that the loader would not
// start without.
func (u *Updater) isNeeded(d disk) bool {
	first, _ := u.config.firstOwn(d.entries.Entries)
	return slices.ContainsFunc(d.own(), func(e ownEntry) bool {
		runs := d.isProtected(e.version)
		file := e.File
		if runs {
			// In its last try it has no tries left and does not match, until
			// the counter is taken away.
			e.Name.Counted = false
			file = e.Name.String()
		}
		return e.File != first && (runs || d.boots(e.version)) && efi.DefaultMatches(d.entries.Default, file)
	})
}
