// SPDX-License-Identifier: LGPL-2.1-or-later

package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/clipos/updater/updater"
)

// job is what runs: a check, an update, which has a transaction, or a chore,
// which is anything else that must not run beside those.
type job struct {
	transaction string
	version     string
	started     time.Time
	// automatic: begun by the schedule and not by a caller.
	automatic bool
	chore     bool
	// done is closed when the job has ended; check and err are set then.
	done  chan struct{}
	check updater.Check
	err   error

	cancel context.CancelFunc
	mu     sync.Mutex
	// install is true once a caller wants it installed, whatever speaks against
	// that; fetchedOnly once it was decided that the update ends, fetched.
	install, fetchedOnly bool
	// gaveWay: stopped because the network has come to cost by volume.
	gaveWay bool
	// tooLate is why the job cannot be stopped any more, nil while it can. It
	// is set in the report that begins the swap, before the swap does.
	tooLate error
}

type jobStatus struct {
	job    *job
	status updater.Status
}

type jobResult struct {
	job     *job
	check   updater.Check
	outcome updater.Outcome
	// apply is what follows from a chore that went well.
	apply func() []updater.Event
	err   error
	// installed is what was on the disk afterwards, unless unread says why it
	// is not known.
	installed []updater.Installed
	unread    error
}

func (j *job) isUpdate() bool { return j.transaction != "" }

func (j *job) isCheck() bool { return !j.isUpdate() && !j.chore }

// join returns the transaction of an update of the same version, which then
// installs whatever it was begun for. It is empty when that is too late: the
// job has nothing left to do but to end.
func (j *job) join(version string) (transaction string, err error) {
	if version != j.version {
		return "", fmt.Errorf("%w: %s", updater.ErrBusy, j.version)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fetchedOnly {
		return "", nil
	}
	j.install = true
	return j.transaction, nil
}

// proceed decides, once everything is fetched, whether it is installed: when
// that is allowed, or somebody wants it.
func (j *job) proceed(allowed bool) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fetchedOnly = j.gaveWay || !j.install && !allowed
	return !j.fetchedOnly
}

// wait returns how a check ended.
func (j *job) wait(ctx context.Context) (updater.Check, error) {
	select {
	case <-j.done:
		return j.check, j.err
	case <-ctx.Done():
		return updater.Check{}, j.late()
	}
}

// late is what those are told who cannot begin before the job has ended, and
// do not wait any longer.
func (j *job) late() error {
	if j.isCheck() {
		return fmt.Errorf("%w: no answer in time", updater.ErrNetworkUnavailable)
	}
	return fmt.Errorf("%w: it has not ended in time", updater.ErrBusy)
}

// stop cancels the job. Either the job then ends as cancelled, or the error
// says why it is too late.
func (j *job) stop() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.tooLate == nil {
		j.cancel()
	}
	return j.tooLate
}

// giveWay stops an update that nobody waits for, if it can be stopped. Whoever
// wants it from then on begins another.
func (j *job) giveWay() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.install || j.gaveWay || j.tooLate != nil {
		return false
	}
	j.gaveWay, j.fetchedOnly = true, true
	j.cancel()
	return true
}

func (j *job) hasGivenWay() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.gaveWay
}

func (j *job) refuseStop(why error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tooLate = why
}

// run does the work and finds out what it has left behind. The work ends early
// only by the job's own stop; what is read afterwards is given up with ctx,
// when the daemon is stopped.
func (d *Daemon) run(ctx, work context.Context, j *job, do func(context.Context) jobResult) {
	r := do(work)
	r.job = j
	j.refuseStop(updater.ErrNoTransaction)
	if work.Err() != nil {
		r.err = stopped(r)
	}
	if r.err != nil && j.hasGivenWay() {
		r.err = fmt.Errorf("%w: the network is metered", r.err)
	}
	j.cancel()
	r.installed, r.unread = readInstalled(ctx, d.system())
	d.results <- r
}

// stopped is how a job has ended that was stopped, as somebody was told:
// whatever broke, and also when everything was fetched by then.
func stopped(r jobResult) error {
	switch {
	case errors.Is(r.err, updater.ErrCancelled):
		return r.err
	case r.err != nil:
		return fmt.Errorf("%w: %w", updater.ErrCancelled, r.err)
	case r.job.isUpdate() && !r.outcome.Installed:
		return updater.ErrCancelled
	}
	return nil
}

func readInstalled(ctx context.Context, e Engine) ([]updater.Installed, error) {
	ctx, cancel := context.WithTimeout(ctx, housekeeping)
	defer cancel()
	return e.Installed(ctx)
}
