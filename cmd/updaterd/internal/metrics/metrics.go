// SPDX-License-Identifier: LGPL-2.1-or-later

// Package metrics tells monitoring what the daemon does: numbers in the
// Prometheus text format on /metrics, and one word on /healthz.
//
// # Who takes part
//
// The daemon publishes to [Metrics] as it does to the bus: from its loop, one
// call after another. What it is now is one snapshot behind a pointer, which
// every scrape reads whole; what has happened is counted in a registry of this
// package's own. No call waits for a client.
//
// [Metrics.Serve] answers on sockets that the service manager has made and
// bound, and only on those. The daemon opens none, so that who may read is said
// in a unit and nowhere else.
//
// # Names
//
// Every metric of ours begins with clipos_updater_; those of the Go runtime and
// of the process have their usual names. The values of labels come from fixed
// sets, but for the few versions a machine knows at one moment.
//
// # Threat
//
// A client may be slow, silent, many or malicious. It gets a few seconds, one of
// a few connections, GET and HEAD, and nothing that is not on the bus for
// everybody anyway; it can neither change the daemon nor hold it up. Addresses
// that other machines may reach are refused.
package metrics

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// namespace begins the name of every metric of ours.
const namespace = "clipos_updater"

// Metrics is what monitoring may know. It is a publisher of the daemon's.
type Metrics struct {
	registry *prometheus.Registry
	present  *present

	transactions *prometheus.CounterVec
	failures     *prometheus.CounterVec
	fetched      prometheus.Counter
	updates      *prometheus.HistogramVec
	stages       *prometheus.HistogramVec

	// What follows belongs to the publishing goroutine.
	failed bool
	watch  stopwatch
}

// New returns the metrics of a daemon of the given version.
func New(daemonVersion string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		present:  newPresent(daemonVersion),
		transactions: newCounters("transactions_total",
			"Updates that have ended, by how.", "result"),
		failures: newCounters("errors_total",
			"Errors that a check or an update ended with, by public name.", "name"),
		fetched: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "fetched_bytes_total",
			Help: "Bytes of payloads that came from the server, in whichever form, counted when an update ends.",
		}),
		updates: newDurations("update_duration_seconds",
			"How long updates took, by how they ended.", "result"),
		stages: newDurations("stage_duration_seconds",
			"How long the completed stages of updates took.", "stage"),
	}
	m.registry.MustRegister(m.present, m.transactions, m.failures, m.fetched, m.updates, m.stages,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin()
	return m
}

// begin has every counter start at 0: a rate needs a number to rise from. The
// names of errors are too many for that.
func (m *Metrics) begin() {
	for _, r := range []updater.Result{
		updater.ResultInstalled, updater.ResultFetched, updater.ResultFailed,
		updater.ResultCancelled, updater.ResultInterrupted,
	} {
		m.transactions.WithLabelValues(string(r))
	}
}

func newCounters(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
}

func newDurations(name, help, label string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help,
		// From a stage that only looks to a slow line's night.
		Buckets: []float64{0.1, 0.5, 1, 5, 15, 30, 60, 2 * 60, 5 * 60, 10 * 60, 30 * 60, 3600, 2 * 3600, 6 * 3600},
	}, []string{label})
}

// Publish makes o what is shown. It never waits.
func (m *Metrics) Publish(o updater.Overview) {
	m.present.current.Store(&o)
	m.countFailure(o.LastError)
	m.follow(o)
}

// countFailure counts an error once: it stands until the next job begins.
func (m *Metrics) countFailure(err error) {
	if err != nil && !m.failed {
		m.failures.WithLabelValues(dbusapi.ErrorName(err)).Inc()
	}
	m.failed = err != nil
}

// Emit counts what e tells. It never waits.
func (m *Metrics) Emit(e updater.Event) {
	completed, ok := e.(updater.CompletedEvent)
	if !ok {
		return
	}
	result := string(m.result(completed))
	m.transactions.WithLabelValues(result).Inc()
	m.fetched.Add(float64(max(0, completed.FetchedBytes)))
	if completed.Transaction == m.watch.transaction {
		m.updates.WithLabelValues(result).Observe(time.Since(m.watch.began).Seconds())
		m.watch = stopwatch{}
	}
}

// result is how a transaction ended. What a success has led to was published
// before it.
func (m *Metrics) result(e updater.CompletedEvent) updater.Result {
	switch {
	case errors.Is(e.Err, updater.ErrCancelled):
		return updater.ResultCancelled
	case errors.Is(e.Err, updater.ErrInterrupted):
		return updater.ResultInterrupted
	case e.Err != nil:
		return updater.ResultFailed
	}
	if now := m.present.current.Load(); now != nil && now.PendingVersion == e.Version {
		return updater.ResultInstalled
	}
	return updater.ResultFetched
}

// stopwatch is the transaction that runs, and since when; zero for none.
type stopwatch struct {
	transaction string
	began       time.Time
	stage       updater.Stage
	entered     time.Time
}

// follow takes the time of stages. The last one is never left: it ends with
// the update, and one that a failure cuts short would say nothing.
func (m *Metrics) follow(o updater.Overview) {
	w := &m.watch
	now := time.Now()
	switch stage := o.Status.Stage; {
	case o.Transaction == "":
	case o.Transaction != w.transaction:
		*w = stopwatch{o.Transaction, now, stage, now}
	case stage != w.stage:
		m.stages.WithLabelValues(string(w.stage)).Observe(now.Sub(w.entered).Seconds())
		w.stage, w.entered = stage, now
	}
}
