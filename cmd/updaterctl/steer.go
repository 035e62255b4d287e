// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"

	"github.com/clipos/updater/cmd/internal/console"
)

// The verbs that tell the service to do something at once.

func cancel(ctx context.Context, s *session) error {
	if err := s.client.Cancel(ctx, s.argument); err != nil {
		return err
	}
	return s.out.Answer(cancelObject{Cancelled: true}, "the update is cancelled")
}

func rollback(ctx context.Context, s *session) error {
	version, err := s.client.Rollback(ctx, s.argument)
	if err != nil {
		return err
	}
	return s.out.Answer(rollbackObject{version}, console.Clean(version)+" starts with the next reboot")
}

func hold(ctx context.Context, s *session) error {
	if err := s.client.Hold(ctx, s.argument, s.until); err != nil {
		return err
	}
	end := "; to end the hold: updaterctl unhold"
	if !s.until.IsZero() {
		end = " until " + console.Moment(s.until)
	}
	return s.out.Answer(holdObject{true, s.argument, timeObject(s.until)}, "no update is installed by itself"+end)
}

func unhold(ctx context.Context, s *session) error {
	if err := s.client.Unhold(ctx); err != nil {
		return err
	}
	return s.out.Answer(unholdObject{}, "updates are not held any more")
}

func markGood(ctx context.Context, s *session) error {
	return mark(ctx, s, "good")
}

func markBad(ctx context.Context, s *session) error {
	return mark(ctx, s, "bad")
}

// mark says how the running version works.
func mark(ctx context.Context, s *session, result string) error {
	if err := s.client.MarkBoot(ctx, result, s.argument); err != nil {
		return err
	}
	return s.out.Answer(markObject{result}, "the running version is marked "+result)
}

func forget(ctx context.Context, s *session) error {
	if err := s.client.ForgetFailure(ctx, s.argument); err != nil {
		return err
	}
	return s.out.Answer(forgetObject{s.argument}, console.Clean(s.argument)+" may be installed again")
}

func reload(ctx context.Context, s *session) error {
	if err := s.client.Reload(ctx); err != nil {
		return err
	}
	return s.out.Answer(reloadObject{true}, "the service has read its configuration again")
}
