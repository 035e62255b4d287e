// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/policy"
)

// Recovery is what a start found on the disk.
type Recovery struct {
	Installed []Installed
	// Notes say what was put right. For the log.
	Notes []string
}

// Recover puts right what an interrupted run left: boot entries of ours under
// a temporary name, empty or cut short are removed, the marker says again
// whether an update waits for a reboot, and a loader default that is not
// needed any more is taken away. Volumes are left as they are: the next
// update overwrites an unfinished one.
func (u *Updater) Recover(ctx context.Context) (Recovery, error) {
	d, err := u.survey(ctx)
	if err != nil {
		return Recovery{}, err
	}
	var r Recovery
	for _, e := range d.own() {
		if !e.isLeftover() || d.isProtected(e.version) && !e.Name.Temporary {
			continue
		}
		if err := u.entries.Remove(e.File); err != nil {
			return r, writeFailed(err)
		}
		r.Notes = append(r.Notes, fmt.Sprintf("%s is removed: left unfinished by an earlier run", e.File))
	}
	// From here on only entries and the loader's variables can have changed; LVM
	// takes its time, and a start waits for this.
	if d.entries, err = u.entries.Survey(); err != nil {
		return r, err
	}
	if err := u.settlePending(d); err != nil {
		// The next start sees the same.
		r.Notes = append(r.Notes, fmt.Sprintf("what became of %s cannot be recorded: %v", u.store.Record().PendingVersion, err))
	}
	if err := u.mendDefault(d); err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("the boot loader's default, now %q, cannot be put right: %v", d.entries.Default, err))
	}
	if d.entries, err = u.entries.Survey(); err != nil {
		return r, err
	}
	r.Installed = u.installed(d)
	return r, u.setMarker(pending(r.Installed) != "")
}

// isLeftover tells that a run was interrupted while it made this entry. A file
// that is no EFI binary at all is not of our making.
func (e ownEntry) isLeftover() bool {
	return e.Name.Temporary || e.SizeBytes == 0 || !e.whole && errors.Is(e.Damaged, efi.ErrCutShort)
}

// pending returns the version that boots next instead of the running one.
func pending(list []Installed) string {
	for _, i := range list {
		if i.State == InstalledPending {
			return i.Version
		}
	}
	return ""
}

// ConfirmGood records that the running version came up, unless somebody said
// that it is bad: from now on nothing lower is installed. With boot counting it
// does so only once the running entry's counter is gone, which is how
// systemd-bless-boot(8) says good: until then confirmed is false, and the
// caller asks again later. The caller knows when the system has booted
// completely; list is what is on the disk then, by which the marker is set.
func (u *Updater) ConfirmGood(list []Installed) (confirmed bool, err error) {
	for _, i := range list {
		if i.State == InstalledRunning && u.config.EFIBoot.BootTries > 0 && i.TriesLeft >= 0 {
			return false, nil
		}
	}
	err = u.store.Change(func(r *Record) {
		if !slices.Contains(r.FailedVersions, u.config.Running.String()) {
			confirm(r, u.config.Running)
		}
	})
	if err == nil {
		err = u.setMarker(pending(list) != "")
	}
	return err == nil, err
}

// confirm remembers that the running version is good.
func confirm(r *Record, running policy.Version) {
	if r.highestGood().Compare(running) < 0 {
		r.HighestGood = running.String()
	}
	if r.PendingVersion == running.String() {
		r.PendingVersion, r.PendingBoot = "", ""
	}
	forget(r, running)
}
