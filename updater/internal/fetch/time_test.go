// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clipos/updater/updater/internal/fetch"
)

// The tests of this file run in the false time of testing/synctest, with the
// limits of an installed system and a line of our own making.

const address = "https://updates.example/core"

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

func TestPatience(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name         string
		totalBytes   int64
		scripts      []script
		wantErr      error
		wantRequests int
		wantAtMost   time.Duration
	}{{
		"fast", mib,
		[]script{{stepBytes: mib}},
		nil, 1, 0,
	}, {
		"exactly the minimum, for an hour", 3600 * 10 << 10,
		[]script{{every: time.Second, stepBytes: 10 << 10}},
		nil, 1, time.Hour,
	}, {
		"the minimum in one piece every 50 seconds", 20 * 600 << 10,
		[]script{{every: 50 * time.Second, stepBytes: 600 << 10}},
		nil, 1, time.Hour,
	}, {
		"a byte a second", mib,
		[]script{{every: time.Second, stepBytes: 1}},
		fetch.ErrTooSlow, 3, 181 * time.Second,
	}, {
		"half the minimum", 100 * mib,
		[]script{{every: time.Second, stepBytes: 5 << 10}},
		fetch.ErrTooSlow, 5, 6 * time.Minute,
	}, {
		"fast, then nothing", mib,
		[]script{{stepBytes: mib, cutAfter: mib / 2}, {headerAfter: time.Hour}},
		fetch.ErrTooSlow, 2, 181 * time.Second,
	}, {
		"no answer, ever", mib,
		[]script{{headerAfter: time.Hour}},
		fetch.ErrTooSlow, 1, 181 * time.Second,
	}, {
		"refused", mib,
		[]script{{err: errRefused}},
		fetch.ErrNetwork, 5, 31 * time.Second,
	}, {
		"refused four times", mib,
		[]script{{err: errRefused}, {err: errRefused}, {err: errRefused}, {err: errRefused}, {stepBytes: mib}},
		nil, 5, 31 * time.Second,
	}, {
		"cut a hundred times", 101 * mib,
		[]script{{stepBytes: mib, cutAfter: mib}},
		nil, 101, 100 * 3 * time.Second,
	}, {
		"cut after every byte", mib,
		[]script{{stepBytes: 1, cutAfter: 1}},
		fetch.ErrTooSlow, 0, 181 * time.Second,
	}, {
		"cut and refused in turn", 101 * mib, alternate(20, script{stepBytes: mib, cutAfter: mib}, script{err: errRefused}),
		fetch.ErrNetwork, 8, time.Minute,
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &line{totalBytes: test.totalBytes, scripts: test.scripts}
				dst, start := &counter{}, time.Now()
				err := fetch.New(l, nil, fetch.DefaultLimits()).File(t.Context(), address, dst, test.totalBytes, nil)
				took := time.Since(start)
				if !errors.Is(err, test.wantErr) {
					t.Errorf("error %v, want %v", err, test.wantErr)
				}
				if err == nil && dst.n != test.totalBytes {
					t.Errorf("holds %d bytes, want %d", dst.n, test.totalBytes)
				}
				if test.wantRequests > 0 && len(l.askedAt) != test.wantRequests {
					t.Errorf("%d requests, want %d", len(l.askedAt), test.wantRequests)
				}
				if took > test.wantAtMost {
					t.Errorf("took %v, want at most %v", took, test.wantAtMost)
				}
			})
		})
	}
}

func alternate(n int, scripts ...script) []script {
	var list []script
	for range n {
		list = append(list, scripts...)
	}
	return list
}

// TestBackoff looks at the waits between attempts that fail at once.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{scripts: []script{{status: http.StatusServiceUnavailable}}}
		_, err := fetch.New(l, nil, fetch.DefaultLimits()).Size(t.Context(), address)
		if status, ok := errors.AsType[*fetch.StatusError](err); !ok || status.Code != http.StatusServiceUnavailable {
			t.Errorf("error %v", err)
		}
		longest := []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}
		if len(l.askedAt) != len(longest)+1 {
			t.Fatalf("%d attempts, want %d", len(l.askedAt), len(longest)+1)
		}
		for i, longest := range longest {
			if wait := l.askedAt[i+1].Sub(l.askedAt[i]); wait < longest/2 || wait > longest {
				t.Errorf("wait %d is %v, want %v to %v", i, wait, longest/2, longest)
			}
		}
	})
}

// TestHeartbeat continues a file from a server that lets us wait before and in its
// answer, and fails once in between.
func TestHeartbeat(t *testing.T) {
	const held, whole = 128 << 10, 1 << 20
	synctest.Test(t, func(t *testing.T) {
		l := &line{totalBytes: whole, scripts: []script{
			{err: errRefused, headerAfter: 10 * time.Second},
			{headerAfter: 20 * time.Second, every: 5 * time.Second, stepBytes: 128 << 10},
		}}
		last, lastDone, lastTotal := time.Now(), int64(held), int64(-1)
		dst := &counter{n: held, validator: oldTag}
		err := fetch.New(l, nil, fetch.DefaultLimits()).File(t.Context(), address, dst, whole, func(done, total int64) {
			if silent := time.Since(last); silent > time.Second {
				t.Errorf("no progress for %v", silent)
			}
			if known := done > held; done < lastDone || total < lastTotal || known && total != whole {
				t.Errorf("progress %d of %d after %d of %d", done, total, lastDone, lastTotal)
			}
			last, lastDone, lastTotal = time.Now(), done, total
		})
		if err != nil || lastDone != whole {
			t.Errorf("error %v, last progress %d", err, lastDone)
		}
	})
}

// TestCancelWhileWaiting ends the context in the wait between two attempts.
func TestCancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{scripts: []script{{err: errRefused}}}
		limits := fetch.DefaultLimits()
		limits.BackoffBase = time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		start := time.Now()
		_, err := fetch.New(l, nil, limits).Document(ctx, address, 10)
		if !errors.Is(err, context.Canceled) || time.Since(start) != 10*time.Second || len(l.askedAt) != 1 {
			t.Errorf("error %v after %v and %d attempts", err, time.Since(start), len(l.askedAt))
		}
	})
}

// TestDeadline has a deadline that falls into a wait: the reason for the wait is
// the better error, and it is known already. In an attempt it is ctx's own.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		l := &line{scripts: []script{{err: errRefused}}}
		_, err := fetch.New(l, nil, fetch.DefaultLimits()).Document(ctx, address, 10)
		if !errors.Is(err, fetch.ErrNetwork) || ctx.Err() != nil || len(l.askedAt) < 2 {
			t.Errorf("error %v after %d attempts", err, len(l.askedAt))
		}
		l = &line{scripts: []script{{headerAfter: time.Hour}}}
		_, err = fetch.New(l, nil, fetch.DefaultLimits()).Document(ctx, address, 10)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
	})
}
