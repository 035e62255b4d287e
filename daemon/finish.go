// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"slices"

	"github.com/clipos/updater/updater"
)

// finish ends the job and tells it.
func (d *Daemon) finish(ctx context.Context, r jobResult) {
	j := r.job
	d.job, j.check, j.err = nil, r.check, r.err
	d.log(r)
	if r.unread == nil {
		d.setInstalled(r.installed)
		if !j.chore {
			d.confirmLate()
		}
	}
	var events []updater.Event
	switch {
	case j.isUpdate():
		d.view.LastError = failure(r.err)
		events = d.finishUpdate(r)
	case j.isCheck():
		d.view.LastError = failure(r.err)
		events = d.finishCheck(r)
	case r.err == nil:
		events = r.apply()
	}
	d.rest()
	for _, e := range events {
		d.emit(e)
	}
	d.strikeOff()
	close(j.done)
	if ctx.Err() == nil {
		d.lookSoon()
	}
}

func (d *Daemon) log(r jobResult) {
	for _, n := range r.outcome.Notes {
		d.Log.Info(n, "transaction", r.job.transaction)
	}
	switch {
	case r.err == nil:
	case r.job.isUpdate():
		d.logUpdate(r)
	case failure(r.err) == nil:
		d.Log.Info(r.err.Error())
	case r.job.isCheck():
		d.Log.Error(r.err.Error(), "event", "check-failed", "error_name", d.errorName(r.err))
	}
	if r.unread != nil && !errors.Is(r.unread, context.Canceled) {
		d.Log.Error("cannot read what is installed", "error", r.unread)
	}
}

func (d *Daemon) logUpdate(r jobResult) {
	log := d.Log.With("version", r.job.version, "transaction", r.job.transaction, "error_name", d.errorName(r.err))
	switch {
	case errors.Is(r.err, updater.ErrCancelled):
		log.Info(r.err.Error(), "event", "update-cancelled")
	case failure(r.err) == nil:
		log.Info(r.err.Error())
	default:
		log.Error(r.err.Error(), "event", "update-failed")
	}
}

func (d *Daemon) finishCheck(r jobResult) []updater.Event {
	d.checked(r.job)
	if r.err != nil {
		return nil
	}
	d.offer, d.offered = r.check, d.wall()
	known := d.view.AvailableVersion
	d.view.AvailableVersion = ""
	if r.check.Available {
		d.view.AvailableVersion = r.check.Version
	}
	if r.job.automatic {
		d.wanted = d.view.AvailableVersion
	}
	if d.wanted != d.view.AvailableVersion {
		d.wanted = "" // it is offered no more
	}
	if !r.check.Available || r.check.Version == known {
		return nil
	}
	d.Log.Info("update available", "event", "update-available", "version", r.check.Version)
	return []updater.Event{updater.UpdateAvailableEvent{Check: r.check}}
}

func (d *Daemon) finishUpdate(r jobResult) []updater.Event {
	j := r.job
	d.view.Transaction = ""
	s := &d.view.Status
	s.BytesPerSecond, s.Remaining, s.Cancelable = 0, 0, false
	d.settle(r)
	events := []updater.Event{updater.CompletedEvent{
		Transaction: j.transaction, Version: j.version, Err: r.err, FetchedBytes: r.outcome.FetchedBytes,
	}}
	log := d.Log.With("version", j.version, "transaction", j.transaction)
	switch {
	case r.err != nil:
		return events
	case !r.outcome.Installed:
		log.Info("update fetched and verified", "event", "update-fetched")
		return events
	}
	log.Info("update installed, reboot to use it", "event", "update-installed")
	d.setPending(r.outcome.Version)
	return append(events, updater.RebootRequiredEvent{Version: r.outcome.Version})
}

// settle draws the conclusions for what the schedule does next. Whoever
// cancels what it has begun does not want it again at once.
func (d *Daemon) settle(r jobResult) {
	j := r.job
	d.ended = append(d.ended, d.entry(updater.Transaction{ID: j.transaction, Version: j.version, Started: j.started}, r.outcome, r.err))
	switch {
	case r.err == nil && r.outcome.Installed, errors.Is(r.err, updater.ErrNoUpdate):
		d.wanted, d.fetched = "", ""
	case r.err == nil:
		d.fetched = j.version
	case d.fetched != j.version:
		d.fetched = "" // the cache holds one version
	}
	// That the daemon is stopped, or the network costs, says nothing about the
	// update.
	if (d.stopping || j.hasGivenWay()) && errors.Is(r.err, updater.ErrCancelled) {
		return
	}
	if j.automatic || r.err == nil || j.version == d.wanted {
		d.tried(r.err)
	}
}

func (d *Daemon) errorName(err error) string {
	if err == nil || d.ErrorName == nil {
		return ""
	}
	return d.ErrorName(err)
}

// entry is a transaction as the history keeps it.
func (d *Daemon) entry(t updater.Transaction, o updater.Outcome, err error) updater.HistoryEntry {
	e := updater.HistoryEntry{
		Transaction: t.ID, Version: t.Version, From: d.RunningVersion,
		Started: t.Started, Finished: d.wall(), Result: result(o, err),
		ErrorName: d.errorName(err), Bytes: o.FetchedBytes,
	}
	if err != nil {
		e.Message = err.Error()
	}
	return e
}

func result(o updater.Outcome, err error) updater.Result {
	switch {
	case errors.Is(err, updater.ErrInterrupted):
		return updater.ResultInterrupted
	case errors.Is(err, updater.ErrCancelled):
		return updater.ResultCancelled
	case err != nil:
		return updater.ResultFailed
	case o.Installed:
		return updater.ResultInstalled
	}
	return updater.ResultFetched
}

// strikeOff takes a transaction that was completed off the record and puts it
// into the history: after the event, so that a crash in between repeats it
// rather than losing it. What could not be written is tried again after each
// job.
func (d *Daemon) strikeOff() {
	ended := d.ended
	written := d.remember(func(r *updater.Record) {
		r.Unfinished = nil
		r.History = withAll(r.History, ended)
	})
	if written {
		d.ended = nil
	}
}

// withAll adds transactions to a history, each once: a change of the record
// that failed may have been written all the same.
func withAll(h updater.History, ended []updater.HistoryEntry) updater.History {
	for _, e := range ended {
		if !slices.ContainsFunc(h, func(known updater.HistoryEntry) bool { return known.Transaction == e.Transaction }) {
			h = h.With(e)
		}
	}
	return h
}

// remember changes the record, or says in the log that it could not.
func (d *Daemon) remember(change func(*updater.Record)) bool {
	err := d.system().Change(change)
	if err != nil {
		d.Log.Error("cannot record what was done", "error", err)
	}
	return err == nil
}
