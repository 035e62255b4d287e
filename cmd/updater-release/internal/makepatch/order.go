// SPDX-License-Identifier: LGPL-2.1-or-later

package makepatch

import (
	"context"
	"sync"
)

// inOrder does n works, up to workers at the same time, and hands what comes
// out to take, in order, in the calling goroutine. No more than two results
// for each worker wait for an earlier one.
func inOrder[T any](ctx context.Context, workers, n int, work func(context.Context, int) (T, error), take func(T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	type result struct {
		value T
		err   error
	}
	results := make([]chan result, n)
	for i := range results {
		results[i] = make(chan result, 1)
	}
	room := make(chan struct{}, 2*workers)
	numbers := make(chan int)
	running.Go(func() {
		defer close(numbers)
		for i := range n {
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			select {
			case numbers <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		running.Go(func() {
			for i := range numbers {
				value, err := work(ctx, i)
				results[i] <- result{value, err}
			}
		})
	}
	for _, c := range results {
		select {
		case r := <-c:
			<-room
			if r.err != nil {
				return r.err
			}
			if err := take(r.value); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
