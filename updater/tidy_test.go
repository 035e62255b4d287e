// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clipos/updater/lvm"
)

// held are volumes whose group somebody else has locked from some survey on: a
// report waits then, until it is given up.
type held struct {
	Volumes
	from, surveys atomic.Int64
	// waits is called when a report begins to wait.
	waits func()
}

const neverHeld = 1 << 30

func (h *held) Survey(ctx context.Context) (lvm.Survey, error) {
	if h.surveys.Add(1) < h.from.Load() {
		return h.Volumes.Survey(ctx)
	}
	h.waits()
	select {
	case <-ctx.Done():
		return lvm.Survey{}, ctx.Err()
	case <-time.After(5 * time.Second):
		return lvm.Survey{}, errors.New("nothing ends the report")
	}
}

// A cancelled update ends soon also while somebody holds the group's lock,
// whether it waits for that lock itself or comes upon it while it tidies up.
func TestCancelWhileGroupIsLocked(t *testing.T) {
	for name, c := range map[string]struct {
		stage   Stage // in which it is cancelled, "" for while it waits
		from    int64 // the first survey that waits, when stage is ""
		surveys int64 // in all
	}{
		"at the first look":    {from: 1, surveys: 1},
		"before the volume":    {from: 2, surveys: 2},
		"while it fetches":     {stage: StageFetching, surveys: 1},
		"before it is begun":   {stage: StageChecking},
		"before it is written": {stage: StageInstalling, surveys: 2},
		"before the swap":      {stage: StageSwapping, surveys: 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha1)
			s.has(alpha0)
			config := s.load()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			volumes := &held{Volumes: newVolumes(config, s.paths), waits: cancel}
			volumes.from.Store(c.from)
			if c.stage != "" {
				volumes.from.Store(neverHeld)
			}
			u := s.openWith(config, volumes, newPartition(config, s.paths))
			defer u.Close()
			out, err := u.Update(ctx, Request{Report: func(st Status) {
				if st.Stage == c.stage {
					volumes.from.Store(0)
					cancel()
				}
			}})
			if !errors.Is(err, ErrCancelled) {
				t.Errorf("error %v, want %v", err, ErrCancelled)
			}
			if got := volumes.surveys.Load(); got != c.surveys {
				t.Errorf("the group was surveyed %d times, want %d", got, c.surveys)
			}
			for _, n := range out.Notes {
				if n == "cannot tidy up: nothing ends the report" {
					t.Error("tidying up waited for the lock")
				}
			}
		})
	}
}

// What a cancelled update was about to overwrite waits for a reboot no more:
// the marker goes.
func TestCancelTakesTheMarkerAway(t *testing.T) {
	s := newSystem(t, alpha1)
	s.mustUpdate()
	if !s.hasMarker() {
		t.Fatal("no marker")
	}
	s.offer(alpha4)
	u := s.open()
	defer u.Close()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := u.Update(ctx, Request{Report: func(st Status) {
		if st.Stage == StageSwapping {
			cancel()
		}
	}})
	if !errors.Is(err, ErrCancelled) || s.hasMarker() {
		t.Errorf("%v, marker %v", err, s.hasMarker())
	}
}
