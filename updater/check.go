// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/clipos/updater/policy"
)

// accepted is a version that may be installed here, with where it would go.
type accepted struct {
	version policy.Version
	// capacityBytes is what the volume it goes to holds.
	capacityBytes int64
	// asked is true when the caller named the version.
	asked bool
}

// check is step 1: it asks for the newest version, unless one is wanted, and
// goes on only with one that may be installed here.
func (r *run) check(ctx context.Context, want string) (accepted, error) {
	r.progress.enter(want, StageChecking)
	version, err := r.wanted(ctx, want)
	if err != nil {
		return accepted{}, err
	}
	r.version = version
	if err := r.accept(version); err != nil {
		return accepted{}, err
	}
	a, err := r.plan(ctx, version)
	a.asked = want != ""
	return a, err
}

func (r *run) wanted(ctx context.Context, want string) (policy.Version, error) {
	if want != "" {
		return policy.ParseVersion(want)
	}
	v, err := r.server.offered(ctx)
	r.checked(err)
	return v, err
}

// unverified are the errors of a server that did not answer, or whose answer
// could not be verified.
var unverified = []error{
	ErrNetworkUnavailable, ErrTLSFailed, ErrServer, ErrResponseTooLarge, ErrTooSlow,
	ErrInvalidVersion, ErrSignatureInvalid, ErrVersionMismatch, ErrConfigInvalid,
}

// IsUnverified tells whether a check failed because the server did not answer,
// or its answer could not be verified. Every other error is what this machine
// makes of an answer.
func IsUnverified(err error) bool {
	return slices.ContainsFunc(unverified, func(known error) bool { return errors.Is(err, known) })
}

// checked remembers a question to the server and whether its answer could be
// verified. What this machine then makes of it is not the server's failure.
func (u *Updater) checked(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	now := time.Now()
	// That the server was asked is worth remembering, not worth failing for.
	_ = u.store.Change(func(r *Record) {
		r.LastCheck = now
		r.FailedChecks++
		if !IsUnverified(err) {
			r.LastSuccess, r.FailedChecks = now, 0
		}
	})
}

// Acceptable carries out the first two steps for a version, so that what is to
// be refused is refused at once: it may be installed here now, and the server
// has it, signed.
func (u *Updater) Acceptable(ctx context.Context, version string) error {
	r := u.newRun(nil)
	a, err := r.check(ctx, version)
	if err == nil {
		_, err = r.fetchSignatures(ctx, a)
	}
	return r.failed(ctx, err)
}

func (u *Updater) accept(v policy.Version) error {
	return policy.Accept(v, u.config.Running, u.store.Record().highestGood())
}

// plan finds where a version would go. A version that is installed already
// and only waits for its reboot is ErrNoUpdate, one whose boot counter has
// run out ErrFailedBefore.
func (r *run) plan(ctx context.Context, v policy.Version) (accepted, error) {
	d, err := r.survey(ctx)
	if err != nil {
		return accepted{}, err
	}
	if err := r.notInstalled(d, v); err != nil {
		return accepted{}, err
	}
	_, capacity, err := r.target(d, v)
	return accepted{version: v, capacityBytes: capacity}, err
}

func (u *Updater) notInstalled(d disk, v policy.Version) error {
	if err := u.notFailed(d, v); err != nil {
		return err
	}
	switch {
	case !d.boots(v):
		return nil
	case v.Compare(u.bootsNext(d)) != 0:
		return fmt.Errorf("%w: %s is installed, roll back to it to start it", ErrNoUpdate, v)
	}
	return fmt.Errorf("%w: %s is installed and waits for a reboot", ErrNoUpdate, v)
}

// chooseTarget is target for a disk whose protected versions are all there are.
func chooseTarget(d disk, v policy.Version) (policy.Target, int64, error) {
	t, err := policy.ChooseTarget(d.slots(), v, d.protected...)
	if errors.Is(err, policy.ErrInUse) {
		return policy.Target{}, 0, means(ErrVolumeInUse, err)
	}
	if err != nil {
		return policy.Target{}, 0, err
	}
	if t.Replaces.IsZero() {
		return t, d.volumes.NewSizeBytes, checkGroupRoom(d.volumes)
	}
	vol, _ := d.volume(t.Replaces)
	return t, vol.SizeBytes, nil
}

// Check asks the server what it offers. A version that could be installed is
// checked as far as its two signatures, so that a server cannot announce a
// release that nobody signed.
func (u *Updater) Check(ctx context.Context) (Check, error) {
	r := u.newRun(nil)
	c, err := r.checkOnly(ctx)
	u.checked(err)
	if err == nil {
		available := ""
		if c.Available {
			available = c.Version
		}
		_ = u.store.Change(func(r *Record) { r.AvailableVersion = available })
	}
	return c, r.failed(ctx, err)
}

func (r *run) checkOnly(ctx context.Context) (Check, error) {
	version, err := r.server.offered(ctx)
	if err != nil {
		return Check{}, err
	}
	c := Check{Version: version.String(), Running: r.config.Running.String()}
	a, err := r.check(ctx, version.String())
	if errors.Is(err, ErrNoUpdate) {
		return c, nil
	}
	if errors.Is(err, ErrFailedBefore) {
		c.FailedBefore = true
		return c, nil
	}
	if err != nil {
		return Check{}, err
	}
	a.asked = false
	signed, err := r.fetchSignatures(ctx, a)
	if err != nil {
		return Check{}, err
	}
	c.Available = true
	o, err := r.offers(ctx, signed)
	if err != nil {
		return c, err
	}
	c.DownloadBytes = o.downloadBytes()
	return c, nil
}
