// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"time"
)

// plan sets when to check next.
func (d *Daemon) plan() {
	d.view.NextCheck = d.schedule.Next(time.Now(), d.started, d.view.LastCheck, d.Engine.Record().FailedChecks)
}

// checkBySchedule begins the check that is due; while a job runs it waits for
// the job's end.
func (d *Daemon) checkBySchedule(ctx context.Context) {
	if d.job != nil {
		d.view.NextCheck = time.Now().Add(time.Minute)
		return
	}
	d.beginCheck(ctx, true)
}

// continueBySchedule installs what an automatic check has found.
func (d *Daemon) continueBySchedule(ctx context.Context, j *job) {
	if d.stopping || d.job != nil || !j.automatic || j.isUpdate() || j.err != nil || !j.check.Available || !d.Rules.Install {
		return
	}
	if _, err := d.beginUpdate(ctx, j.check.Version, true); err != nil {
		d.Log.Error("cannot begin the update", "error", err)
	}
}
