// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// slow takes until release for everybody but root.
type slow struct{ began, release chan struct{} }

func (s slow) wait(ctx context.Context) {
	s.began <- struct{}{}
	select {
	case <-s.release:
	case <-ctx.Done():
	}
}

func (s slow) authorise(ctx context.Context, c caller, _ action, _ bool) error {
	if c.uid != 0 {
		s.wait(ctx)
	}
	return nil
}

// Users whose calls take long, be it that polkit or the server is slow, keep
// neither root from acting and asking nor each other.
func TestEachUserHasAShare(t *testing.T) {
	for name, tc := range map[string]struct {
		member string
		args   []any
		slots  int
	}{
		"acting": {"Cancel", []any{"t1"}, callSlots},
		"asking": {"ListVersions", nil, querySlots},
	} {
		t.Run(name, func(t *testing.T) {
			bus := dbustest.Start(t)
			s := slow{began: make(chan struct{}, 100), release: make(chan struct{})}
			c := &fakeController{list: func(ctx context.Context) ([]updater.Installed, error) {
				s.wait(ctx)
				return nil, nil
			}}
			service := newService(t, bus, c)
			service.authoriser = s
			run(t, service)
			var waiting []*dbus.Call
			// Users from 1 on are in every system (Debian Policy, 9.2.2).
			for user := range uint32(tc.slots) {
				conn := bus.ConnectAs(t, user+1)
				if len(waiting) == othersOf(tc.slots) {
					if got := answerOf(t, send(conn, 0, tc.member, tc.args...)); got != "LimitsExceeded" {
						t.Fatalf("one more in all: %q", got)
					}
					break
				}
				for range min(eachOf(tc.slots), othersOf(tc.slots)-len(waiting)) {
					waiting = append(waiting, send(conn, 0, tc.member, tc.args...))
					<-s.began
				}
				if got := answerOf(t, send(conn, 0, tc.member, tc.args...)); got != "LimitsExceeded" {
					t.Fatalf("one more of user %d: %q", user+1, got)
				}
			}
			c.list = nil
			if got := answerOf(t, send(rawConn(t, bus), 0, tc.member, tc.args...)); got != "" {
				t.Errorf("root: %q", got)
			}
			close(s.release)
			for _, call := range waiting {
				if got := answerOf(t, call); got != "" {
					t.Errorf("%q", got)
				}
			}
		})
	}
}
