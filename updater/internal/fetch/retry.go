// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// persist makes attempts until one succeeds, one fails for good, or the limits
// are reached; the error is then that of the last one.
func (c *Client) persist(ctx context.Context, w *watch, attempt func(context.Context) error) error {
	w.quiet.restart(time.Now(), 0)
	counted, inRow := 0, 0
	for {
		err := w.during(ctx, attempt)
		if err == nil || ctx.Err() != nil || !heals(err) {
			return unlessDone(ctx, w.url, err)
		}
		inRow++
		if isFree(err) {
			inRow = 1
		} else if counted++; counted >= c.limits.Attempts {
			return err
		}
		if err := w.pause(ctx, backoff(c.limits.BackoffBase, inRow), err); err != nil {
			return unlessDone(ctx, w.url, err)
		}
	}
}

// unlessDone is err, but ctx's own error where ctx is what ended the call.
func unlessDone(ctx context.Context, url string, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s: %w", quote(url), ctx.Err())
	}
	return err
}

// heals reports whether another attempt may end better.
func heals(err error) bool {
	if status, ok := errors.AsType[*StatusError](err); ok {
		switch status.Code {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	f, ok := errors.AsType[*failure](err)
	return ok && f.heals
}

func isFree(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.free
}

// maxDoublings keeps the wait from overflowing when many attempts are allowed.
const maxDoublings = 6

// backoff is the wait after the n-th failure in a row, counted from one.
func backoff(base time.Duration, n int) time.Duration {
	longest := base << min(n-1, maxDoublings)
	return longest/2 + rand.N(longest/2+1) //nolint:gosec // G404: spreads the load, nobody gains by guessing it
}

// pause waits between two attempts. Where the wait would outlast ctx's deadline,
// it returns the reason for the wait at once.
func (w *watch) pause(ctx context.Context, wait time.Duration, reason error) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return reason
	}
	return w.during(ctx, func(ctx context.Context) error {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}
