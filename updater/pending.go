// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import "github.com/clipos/updater/policy"

// await remembers that a version boots next, and has another chance; boot is
// the present boot.
func await(r *Record, v policy.Version, boot string) {
	forget(r, v)
	r.PendingVersion, r.PendingBoot = v.String(), boot
}

// settlePending finds out what became of the version that was to boot next: it
// failed when its boot counter is spent; and when the machine was started since
// and an older version runs, it has gone back, which somebody has to be told.
func (u *Updater) settlePending(d disk) error {
	record := u.store.Record()
	pending, err := policy.ParseVersion(record.PendingVersion)
	if err != nil || pending.Compare(u.config.Running) == 0 {
		return nil //nolint:nilerr // nothing is pending
	}
	spent := d.isSpent(pending)
	restarted := record.PendingBoot != "" && u.config.BootID != "" && record.PendingBoot != u.config.BootID
	if !spent && !restarted {
		return nil
	}
	return u.store.Change(func(r *Record) {
		if pending.Compare(u.config.Running) > 0 {
			r.RolledBack = &RolledBackEvent{From: pending.String(), To: u.config.Running.String()}
		}
		if spent {
			condemn(r, pending)
		}
		// One that can still be started is waited for; each start that goes
		// back is told once.
		r.PendingBoot = u.config.BootID
		if spent || !d.boots(pending) {
			r.PendingVersion, r.PendingBoot = "", ""
		}
	})
}

// isSpent tells that the boot loader has given a version's entry up.
func (d disk) isSpent(v policy.Version) bool {
	for _, e := range d.own() {
		if e.version.Compare(v) == 0 && !e.Name.Temporary && e.exhausted() {
			return true
		}
	}
	return false
}
