// SPDX-License-Identifier: LGPL-2.1-or-later

package metrics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

const (
	running = "5.0.0-alpha.1"
	newer   = "5.0.0-alpha.3"
)

func overview() updater.Overview {
	return updater.Overview{OSName: "clipos", RunningVersion: running, State: updater.StateIdle}
}

// full is an overview of everything at once, which no machine ever is.
func full() updater.Overview {
	o := overview()
	o.State = updater.StateUpdating
	o.Transaction = "t1"
	o.Status = updater.Status{
		Version: newer, Stage: updater.StageFetching, Progress: 0.25, BytesDone: 100, BytesTotal: 400,
	}
	o.AvailableVersion, o.PendingVersion, o.FallbackVersion = newer, "5.0.0-alpha.2", "5.0.0-alpha.0"
	o.RebootRequired, o.Stale, o.Held = true, true, true
	o.LastCheck = time.Unix(1_700_000_000, 500_000_000)
	o.LastSuccess = time.Unix(1_600_000_000, 0)
	o.NextCheck = time.Unix(1_800_000_000, 0)
	o.Blockers = []policy.Blocker{{Code: policy.BlockerHeld}, {Code: policy.BlockerMode}, {Code: policy.BlockerHeld}}
	o.FailedVersions = []string{"5.0.0-alpha.2", "5.0.0-alpha.0"}
	return o
}

// wantShown compares all metrics of ours but the histograms, see
// wantDurations.
func wantShown(t *testing.T, m *Metrics, want string) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), namespace+"_")
		if !ours || strings.HasSuffix(name, "_duration_seconds") {
			continue
		}
		for _, metric := range f.GetMetric() {
			var labels []string
			for _, l := range metric.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
			got = append(got, fmt.Sprintf("%s{%s} %g", name, strings.Join(labels, ","), value))
		}
	}
	if g := strings.Join(got, "\n"); g != strings.TrimSpace(want) {
		t.Errorf("got\n%s\n\nwant\n%s", g, strings.TrimSpace(want))
	}
}

const untouched = `
fetched_bytes_total{} 0
transactions_total{result=cancelled} 0
transactions_total{result=failed} 0
transactions_total{result=fetched} 0
transactions_total{result=installed} 0
transactions_total{result=interrupted} 0
`

func TestBeforeTheFirstOverview(t *testing.T) { wantShown(t, New("1.2.3"), untouched) }

func TestOverview(t *testing.T) {
	tests := []struct {
		name     string
		overview updater.Overview
		want     string
	}{
		{"idle", overview(), `
failed_versions{} 0
fetched_bytes_total{} 0
held{} 0
info{os=clipos,running=5.0.0-alpha.1,version=1.2.3} 1
last_check_timestamp_seconds{} 0
last_success_timestamp_seconds{} 0
next_check_timestamp_seconds{} 0
progress_ratio{} 0
reboot_required{} 0
stage_done_bytes{} 0
stage_size_bytes{} 0
stale{} 0
state{state=checking} 0
state{state=failed} 0
state{state=idle} 1
state{state=reboot-required} 0
state{state=updating} 0
transactions_total{result=cancelled} 0
transactions_total{result=failed} 0
transactions_total{result=fetched} 0
transactions_total{result=installed} 0
transactions_total{result=interrupted} 0
version_info{role=running,version=5.0.0-alpha.1} 1
`},
		{"everything", full(), `
blocker{code=held} 1
blocker{code=mode} 1
failed_versions{} 2
fetched_bytes_total{} 0
held{} 1
info{os=clipos,running=5.0.0-alpha.1,version=1.2.3} 1
last_check_timestamp_seconds{} 1.7000000005e+09
last_success_timestamp_seconds{} 1.6e+09
next_check_timestamp_seconds{} 1.8e+09
progress_ratio{} 0.25
reboot_required{} 1
stage_done_bytes{} 100
stage_size_bytes{} 400
stale{} 1
state{state=checking} 0
state{state=failed} 0
state{state=idle} 0
state{state=reboot-required} 0
state{state=updating} 1
transactions_total{result=cancelled} 0
transactions_total{result=failed} 0
transactions_total{result=fetched} 0
transactions_total{result=installed} 0
transactions_total{result=interrupted} 0
version_info{role=available,version=5.0.0-alpha.3} 1
version_info{role=fallback,version=5.0.0-alpha.0} 1
version_info{role=pending,version=5.0.0-alpha.2} 1
version_info{role=running,version=5.0.0-alpha.1} 1
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := New("1.2.3")
			m.Publish(test.overview)
			wantShown(t, m, test.want)
		})
	}
}

// TestInvalidText: what the format cannot show spoils its own metric alone.
func TestInvalidText(t *testing.T) {
	m := New("1.2.3")
	o := overview()
	o.AvailableVersion = "\xff"
	m.Publish(o)
	families, err := m.registry.Gather()
	if err == nil {
		t.Error("the text was taken")
	}
	for _, f := range families {
		if f.GetName() == namespace+"_stale" {
			return
		}
	}
	t.Error("the others are gone too")
}

// TestNames asks Prometheus's own linter.
func TestNames(t *testing.T) {
	m := New("1.2.3")
	m.Publish(full())
	m.countFailure(updater.ErrTooSlow)
	m.Emit(updater.CompletedEvent{Transaction: "t1"})
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// counts are the counters that are not 0, by their label, or by their name
// without one.
func counts(t *testing.T, m *Metrics) string {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			if c := metric.GetCounter(); c.GetValue() != 0 && strings.HasPrefix(f.GetName(), namespace) {
				by := strings.TrimPrefix(f.GetName(), namespace+"_")
				if labels := metric.GetLabel(); len(labels) > 0 {
					by = labels[0].GetValue()
				}
				got = append(got, fmt.Sprintf("%s=%g", by, c.GetValue()))
			}
		}
	}
	return strings.Join(got, " ")
}

func TestTransactions(t *testing.T) {
	tests := []struct {
		name    string
		pending string
		event   updater.Event
		want    string
	}{
		{"installed", newer, updater.CompletedEvent{Version: newer, FetchedBytes: 7}, "fetched_bytes_total=7 installed=1"},
		{"only fetched", "", updater.CompletedEvent{Version: newer, FetchedBytes: 7}, "fetched_bytes_total=7 fetched=1"},
		{"only fetched, while another waits", "5.0.0-alpha.2", updater.CompletedEvent{Version: newer}, "fetched=1"},
		{"failed", "", updater.CompletedEvent{Version: newer, Err: updater.ErrTooSlow, FetchedBytes: 3}, "fetched_bytes_total=3 failed=1"},
		{"cancelled", "", updater.CompletedEvent{Err: fmt.Errorf("%w: %w", updater.ErrCancelled, context.Canceled)}, "cancelled=1"},
		{"interrupted", "", updater.CompletedEvent{Err: updater.ErrInterrupted}, "interrupted=1"},
		{"bytes that cannot be", "", updater.CompletedEvent{Err: updater.ErrServer, FetchedBytes: -1}, "failed=1"},
		{"another event", "", updater.RebootRequiredEvent{Version: newer}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := New("1.2.3")
			o := overview()
			o.PendingVersion = test.pending
			m.Publish(o)
			m.Emit(test.event)
			if got := counts(t, m); got != test.want {
				t.Errorf("counted %q, want %q", got, test.want)
			}
		})
	}
}

// TestErrors: an error that stands is one error, and the same again another.
func TestErrors(t *testing.T) {
	m := New("1.2.3")
	for _, err := range []error{
		nil, updater.ErrTooSlow, updater.ErrTooSlow, nil,
		errors.Join(updater.ErrTooSlow, errors.New("and more")), nil,
		errors.New("unheard of"),
	} {
		o := overview()
		o.LastError = err
		m.Publish(o)
	}
	if got, want := counts(t, m), "Internal=1 TooSlow=2"; got != want {
		t.Errorf("counted %q, want %q", got, want)
	}
}

// wantDurations compares the histograms: "stage=sum/count".
func wantDurations(t *testing.T, m *Metrics, want string) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			if h := metric.GetHistogram(); h != nil && strings.HasPrefix(f.GetName(), namespace) {
				got = append(got, fmt.Sprintf("%s=%g/%d", metric.GetLabel()[0].GetValue(), h.GetSampleSum(), h.GetSampleCount()))
			}
		}
	}
	if g := strings.Join(got, " "); g != want {
		t.Errorf("durations %q, want %q", g, want)
	}
}

func TestDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New("1.2.3")
		m.Emit(updater.CompletedEvent{Transaction: "t0", Err: updater.ErrInterrupted}) // of an earlier process
		for _, transaction := range []string{"t1", "t2"} {
			for _, s := range []updater.Stage{
				updater.StageChecking, updater.StageFetching, updater.StageFetching, updater.StageVerifying,
			} {
				o := overview()
				o.Transaction, o.Status.Stage = transaction, s
				m.Publish(o)
				time.Sleep(10 * time.Second)
			}
			m.Publish(overview())
			time.Sleep(time.Second)
			m.Emit(updater.CompletedEvent{Transaction: transaction, Err: updater.ErrSignatureInvalid})
			time.Sleep(time.Hour)
		}
		wantDurations(t, m, "checking=20/2 fetching=40/2 failed=82/2")
	})
}
