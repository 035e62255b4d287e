// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import "github.com/clipos/updater/policy"

// await remembers that a version boots next, and has another chance; boot is
// the present boot.
func await(r *Record, v policy.Version, boot string) {
	forget(r, v)
	r.PendingVersion, r.PendingBoot = v.String(), boot
}

// settlePending finds out what became of the version that was to boot next, once
// the machine was started again. It failed when its boot counter is spent. When
// an older version runs although the loader would start it, the machine has
// gone back, which somebody has to be told. One that the loader would not start
// was never tried: the power failed before everything was in place.
func (u *Updater) settlePending(d disk) error {
	record := u.store.Record()
	pending, err := policy.ParseVersion(record.PendingVersion)
	sameBoot := record.PendingBoot != "" && record.PendingBoot == u.config.BootID
	if err != nil || sameBoot || pending.Compare(u.config.Running) == 0 {
		return nil //nolint:nilerr // nothing is pending
	}
	startable := d.boots(pending)
	spent := !startable && d.isSpent(pending)
	restarted := record.PendingBoot != "" && u.config.BootID != ""
	tried := spent || restarted && pending.Compare(u.bootsNext(d)) == 0
	return u.store.Change(func(r *Record) {
		if tried && pending.Compare(u.config.Running) > 0 {
			r.RolledBack = &RolledBackEvent{From: pending.String(), To: u.config.Running.String()}
		}
		if spent {
			condemn(r, pending)
		}
		// One that can still be started is waited for; each start that goes
		// back is told once.
		r.PendingBoot = u.config.BootID
		if !startable {
			r.PendingVersion, r.PendingBoot = "", ""
		}
	})
}
