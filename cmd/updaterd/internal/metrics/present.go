// SPDX-License-Identifier: LGPL-2.1-or-later

package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater"
)

// present shows the overview that was published last. It implements
// prometheus.Collector, so that the numbers of one scrape are of one moment.
type present struct {
	daemonVersion string
	current       atomic.Pointer[updater.Overview]

	info, state, version, blocker *prometheus.Desc
	gauges                        []gauge
}

// gauge is a metric without labels.
type gauge struct {
	*prometheus.Desc
	value func(updater.Overview) float64
}

func newPresent(daemonVersion string) *present {
	return &present{
		daemonVersion: daemonVersion,
		info:          describe("info", "What runs: the product, the version of the daemon and that of the system.", "os", "version", "running"),
		state:         describe("state", "1 for the state that the daemon is in.", "state"),
		version:       describe("version_info", "The versions that are known, by what they are to this machine.", "role", "version"),
		blocker:       describe("blocker", "1 for each reason why nothing is installed automatically now.", "code"),
		gauges: []gauge{
			newGauge("progress_ratio", "Progress of the update that runs or ran last, over all stages, from 0 to 1.",
				func(o updater.Overview) float64 { return o.Status.Progress }),
			newGauge("stage_done_bytes", "Bytes that the present stage has done.",
				func(o updater.Overview) float64 { return float64(o.Status.BytesDone) }),
			newGauge("stage_size_bytes", "Bytes that the present stage has to do, 0 when not known.",
				func(o updater.Overview) float64 { return float64(o.Status.BytesTotal) }),
			newGauge("last_check_timestamp_seconds", "When the server was asked last, 0 for never.",
				func(o updater.Overview) float64 { return seconds(o.LastCheck) }),
			newGauge("last_success_timestamp_seconds", "When the server gave the last answer that could be verified, 0 for never.",
				func(o updater.Overview) float64 { return seconds(o.LastSuccess) }),
			newGauge("next_check_timestamp_seconds", "When the server is asked next, 0 for not known.",
				func(o updater.Overview) float64 { return seconds(o.NextCheck) }),
			newGauge("stale", "1 when the last success is longer ago than policy allows.",
				func(o updater.Overview) float64 { return boolean(o.Stale) }),
			newGauge("held", "1 while updates are held.",
				func(o updater.Overview) float64 { return boolean(o.Held) }),
			newGauge("reboot_required", "1 when an installed version waits for a reboot.",
				func(o updater.Overview) float64 { return boolean(o.RebootRequired) }),
			newGauge("failed_versions", "How many versions did not come up when they were booted.",
				func(o updater.Overview) float64 { return float64(len(o.FailedVersions)) }),
		},
	}
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

func newGauge(name, help string, value func(updater.Overview) float64) gauge {
	return gauge{describe(name, help), value}
}

// Describe implements prometheus.Collector.
func (p *present) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.info, p.state, p.version, p.blocker} {
		ch <- d
	}
	for _, g := range p.gauges {
		ch <- g.Desc
	}
}

// Collect implements prometheus.Collector. There is nothing before the first
// overview.
func (p *present) Collect(ch chan<- prometheus.Metric) {
	o := p.current.Load()
	if o == nil {
		return
	}
	show(ch, p.info, 1, o.OSName, p.daemonVersion, o.RunningVersion)
	for _, g := range p.gauges {
		show(ch, g.Desc, g.value(*o))
	}
	p.collectState(ch, o.State)
	p.collectVersions(ch, o)
	p.collectBlockers(ch, o.Blockers)
}

func (p *present) collectState(ch chan<- prometheus.Metric, now updater.State) {
	for _, s := range []updater.State{
		updater.StateIdle, updater.StateChecking, updater.StateUpdating,
		updater.StateRebootRequired, updater.StateFailed,
	} {
		show(ch, p.state, boolean(s == now), string(s))
	}
}

func (p *present) collectVersions(ch chan<- prometheus.Metric, o *updater.Overview) {
	for _, v := range []struct{ role, version string }{
		{"running", o.RunningVersion},
		{"available", o.AvailableVersion},
		{"pending", o.PendingVersion},
		{"fallback", o.FallbackVersion},
	} {
		if v.version != "" {
			show(ch, p.version, 1, v.role, v.version)
		}
	}
}

// collectBlockers shows each code once: a metric that comes twice would spoil
// the whole scrape.
func (p *present) collectBlockers(ch chan<- prometheus.Metric, blockers []policy.Blocker) {
	seen := map[policy.BlockerCode]bool{}
	for _, b := range blockers {
		if !seen[b.Code] {
			seen[b.Code] = true
			show(ch, p.blocker, 1, string(b.Code))
		}
	}
}

// show sends a gauge, or, if a label is no valid text, an error in its place.
func show(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	metric, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, value, labels...)
	if err != nil {
		metric = prometheus.NewInvalidMetric(d, err)
	}
	ch <- metric
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds is a time since the epoch, 0 for never.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1e6
}
