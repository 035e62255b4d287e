// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"fmt"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/policy"
)

// Rollback makes an installed version the one that boots next, by the loader's
// default where its order would start another: the fallback when version is
// empty. The running version takes back an update that waits for a reboot.
// ErrUnknownVersion for what is not installed or cannot be started,
// ErrBootOrderConflict where the loader cannot be told.
func (u *Updater) Rollback(ctx context.Context, version string) (Outcome, error) {
	v, err := u.rollback(ctx, version)
	if err != nil {
		return Outcome{}, fmt.Errorf("cannot roll back: %w", err)
	}
	return Outcome{Version: v.String(), Installed: true}, nil
}

func (u *Updater) rollback(ctx context.Context, version string) (policy.Version, error) {
	d, err := u.survey(ctx)
	if err != nil {
		return policy.Version{}, err
	}
	v, err := u.rollbackTarget(d, version)
	if err != nil {
		return v, err
	}
	return v, u.bootNext(d, v)
}

func (u *Updater) rollbackTarget(d disk, version string) (policy.Version, error) {
	if version == "" {
		return u.fallback(d)
	}
	v, err := policy.ParseVersion(version)
	if err == nil && !d.boots(v) {
		err = fmt.Errorf("%w: %s is not installed, or cannot be started", ErrUnknownVersion, v)
	}
	return v, err
}

// fallback is the newest version that is neither running nor pending. Where an
// update that waits for a reboot has taken its place, it is the running one.
func (u *Updater) fallback(d disk) (policy.Version, error) {
	list := u.installed(d)
	for _, i := range list {
		if i.State == InstalledFallback {
			return policy.ParseVersion(i.Version)
		}
	}
	if pending(list) != "" && d.boots(u.config.Running) {
		return u.config.Running, nil
	}
	return policy.Version{}, fmt.Errorf("%w: there is no fallback", ErrUnknownVersion)
}

// bootNext makes the loader start a version from now on. It is recorded last: a
// default that could not be set must not be set by a later start.
func (u *Updater) bootNext(d disk, v policy.Version) error {
	pin, err := u.pinFor(d, v)
	if err == nil && pin != d.entries.Default {
		err = means(ErrBootOrderConflict, u.entries.SetDefault(pin))
	}
	if err != nil {
		return err
	}
	runs := v.Compare(u.config.Running) == 0
	err = u.store.Change(func(r *Record) {
		r.PendingVersion, r.PendingBoot = "", ""
		if !runs {
			await(r, v, u.config.BootID)
		}
	})
	if err != nil {
		return writeFailed(err)
	}
	return u.setMarker(!runs)
}

// pinFor returns the default with which the loader starts a version, "" for
// none.
func (u *Updater) pinFor(d disk, v policy.Version) (string, error) {
	var entry ownEntry
	for _, e := range d.entriesOf(v) {
		if e.startable() {
			entry = e
		}
	}
	own := d.entries.Default == "" || efi.OwnDefault(u.config.OSName, d.entries.Default)
	starts := u.config.starts(d.entries.Entries, d.entries.Default) == entry.File
	pin := efi.DefaultPattern(entry.Name)
	if u.config.starts(d.entries.Entries, "") == entry.File {
		pin = ""
	}
	switch {
	case starts && (!own || pin != "" || !d.entries.DefaultWritable):
		return d.entries.Default, nil
	case !own:
		return "", fmt.Errorf("%w: its default is set to %q by somebody else", ErrBootOrderConflict, d.entries.Default)
	case pin != d.entries.Default && !d.entries.DefaultWritable:
		return "", fmt.Errorf("%w: its variables cannot be written", ErrBootOrderConflict)
	case u.config.starts(d.entries.Entries, pin) != entry.File:
		return "", fmt.Errorf("%w: %q would not start %q", ErrBootOrderConflict, pin, entry.File)
	}
	return pin, nil
}

// MarkBoot says whether the running version came up good, in the boot entry's
// counter as systemd-bless-boot(8) would, and in the record. After "bad" the
// loader starts the fallback, if there is one.
func (u *Updater) MarkBoot(ctx context.Context, good bool) error {
	d, err := u.survey(ctx)
	if err != nil {
		return err
	}
	if good {
		return u.markGood(d)
	}
	return u.markBad(d)
}

func (u *Updater) markGood(d disk) error {
	for _, e := range d.entriesOf(u.config.Running) {
		if _, err := u.entries.Bless(e.File); err != nil {
			return writeFailed(err)
		}
	}
	return u.store.Change(func(r *Record) { confirm(r, u.config.Running) })
}

// markBad leaves the loader's default alone: none that is ours matches an
// entry without tries left.
func (u *Updater) markBad(d disk) error {
	err := u.store.Change(func(r *Record) {
		if pending, err := policy.ParseVersion(r.PendingVersion); err != nil || !d.boots(pending) {
			// Nothing else is waited for: the return to an older version
			// will be noticed.
			r.PendingVersion, r.PendingBoot = u.config.Running.String(), u.config.BootID
		}
		condemn(r, u.config.Running)
	})
	for _, e := range d.entriesOf(u.config.Running) {
		if err == nil {
			_, err = u.entries.Condemn(e.File)
		}
	}
	return writeFailed(err)
}
