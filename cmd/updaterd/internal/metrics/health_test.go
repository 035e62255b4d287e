// SPDX-License-Identifier: LGPL-2.1-or-later

package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/clipos/updater/updater"
)

func TestHealth(t *testing.T) {
	with := func(change func(*updater.Overview)) *updater.Overview {
		o := overview()
		change(&o)
		return &o
	}
	tests := []struct {
		name     string
		overview *updater.Overview
		status   int
		body     string
	}{
		{"nothing published yet", nil, 503, "starting\n"},
		{"idle", with(func(*updater.Overview) {}), 200, "ok\n"},
		{"checking", with(func(o *updater.Overview) { o.State = updater.StateChecking }), 200, "ok\n"},
		{"updating", with(func(o *updater.Overview) { o.State = updater.StateUpdating }), 200, "ok\n"},
		{"reboot required", with(func(o *updater.Overview) { o.State = updater.StateRebootRequired }), 200, "ok\n"},
		{"failed", with(func(o *updater.Overview) {
			o.State, o.LastError = updater.StateFailed, fmt.Errorf("%w: \"a\nb\"", updater.ErrTooSlow)
		}), 503, "failed: TooSlow: " + updater.ErrTooSlow.Error() + ": \"a b\"\n"},
		{"failed for no reason", with(func(o *updater.Overview) { o.State = updater.StateFailed }), 503, "failed: : \n"},
		{"stale", with(func(o *updater.Overview) {
			o.Stale, o.LastSuccess = true, time.Unix(1_700_000_000, 0)
		}), 503, "stale: no check has succeeded since 2023-11-14T22:13:20Z\n"},
		{"stale from the beginning", with(func(o *updater.Overview) { o.Stale = true }), 503, "stale: no check has succeeded yet\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := New("1.2.3")
			if test.overview != nil {
				m.Publish(*test.overview)
			}
			w := httptest.NewRecorder()
			m.serveHealth(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil))
			if w.Code != test.status || w.Body.String() != test.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, test.status, test.body)
			}
		})
	}
}
