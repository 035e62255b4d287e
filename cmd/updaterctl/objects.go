// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// The JSON output, as the usage text promises it. No key is ever left out.

type errorObject struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

func newErrorObject(err error) *errorObject {
	if err == nil {
		return nil
	}
	return &errorObject{dbusapi.ErrorName(err), err.Error()}
}

// timeObject is RFC 3339 in UTC, or null for never.
func timeObject(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	utc := t.UTC()
	return &utc
}

type blocker struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

func newBlockers(list []updater.Blocker) []blocker {
	blockers := make([]blocker, len(list))
	for i, b := range list {
		blockers[i] = blocker{string(b.Code), b.Text}
	}
	return blockers
}

// array is list, for JSON knows a difference between none and nothing.
func array(list []string) []string {
	return append([]string{}, list...)
}

type statusObject struct {
	DaemonVersion    string        `json:"daemon_version"`
	OSName           string        `json:"os_name"`
	RunningVersion   string        `json:"running_version"`
	State            updater.State `json:"state"`
	Stage            updater.Stage `json:"stage"`
	Transaction      string        `json:"transaction"`
	Progress         float64       `json:"progress"`
	BytesDone        int64         `json:"bytes_done"`
	BytesTotal       int64         `json:"bytes_total"`
	BytesPerSecond   int64         `json:"bytes_per_second"`
	RemainingSeconds float64       `json:"remaining_seconds"`
	Cancelable       bool          `json:"cancelable"`
	AvailableVersion string        `json:"available_version"`
	PendingVersion   string        `json:"pending_version"`
	FallbackVersion  string        `json:"fallback_version"`
	RebootRequired   bool          `json:"reboot_required"`
	LastError        *errorObject  `json:"last_error"`
	LastCheck        *time.Time    `json:"last_check"`
	LastSuccess      *time.Time    `json:"last_success"`
	NextCheck        *time.Time    `json:"next_check"`
	Stale            bool          `json:"stale"`
	Held             bool          `json:"held"`
	HoldReason       string        `json:"hold_reason"`
	Blockers         []blocker     `json:"blockers"`
	FailedVersions   []string      `json:"failed_versions"`
}

func newStatusObject(o dbusapi.Overview) statusObject {
	return statusObject{
		DaemonVersion: o.DaemonVersion, OSName: o.OSName, RunningVersion: o.RunningVersion,
		State: o.State, Stage: o.Status.Stage, Transaction: o.Transaction, Progress: o.Status.Progress,
		BytesDone: o.Status.BytesDone, BytesTotal: o.Status.BytesTotal, BytesPerSecond: o.Status.BytesPerSecond,
		RemainingSeconds: o.Status.Remaining.Seconds(), Cancelable: o.Status.Cancelable,
		AvailableVersion: o.AvailableVersion, PendingVersion: o.PendingVersion, FallbackVersion: o.FallbackVersion,
		RebootRequired: o.RebootRequired, LastError: newErrorObject(o.LastError),
		LastCheck: timeObject(o.LastCheck), LastSuccess: timeObject(o.LastSuccess), NextCheck: timeObject(o.NextCheck),
		Stale: o.Stale, Held: o.Held, HoldReason: o.HoldReason,
		Blockers: newBlockers(o.Blockers), FailedVersions: array(o.FailedVersions),
	}
}

type checkObject struct {
	Available     bool   `json:"available"`
	Version       string `json:"version"`
	Running       string `json:"running"`
	DownloadBytes int64  `json:"download_bytes"`
	FailedBefore  bool   `json:"failed_before"`
}

type updateObject struct {
	Transaction string `json:"transaction"`
}

type cancelObject struct {
	Cancelled bool `json:"cancelled"`
}

type versionObject struct {
	Version   string                 `json:"version"`
	State     updater.InstalledState `json:"state"`
	Volume    string                 `json:"volume"`
	Entry     string                 `json:"entry"`
	SizeBytes int64                  `json:"size_bytes"`
	TriesLeft int                    `json:"tries_left"`
	TriesDone int                    `json:"tries_done"`
}

type planObject struct {
	Version         string    `json:"version"`
	Method          string    `json:"method"`
	DownloadBytes   int64     `json:"download_bytes"`
	ReuseBytes      int64     `json:"reuse_bytes"`
	WriteBytes      int64     `json:"write_bytes"`
	Volume          string    `json:"volume"`
	ReplacesVolume  string    `json:"replaces_volume"`
	Reason          string    `json:"reason"`
	Entry           string    `json:"entry"`
	ReplacesEntries []string  `json:"replaces_entries"`
	CacheBytes      int64     `json:"cache_bytes"`
	ESPBytes        int64     `json:"esp_bytes"`
	GroupBytes      int64     `json:"group_bytes"`
	Blockers        []blocker `json:"blockers"`
}

func newPlanObject(p updater.Plan) planObject {
	return planObject{
		Version: p.Version, Method: string(p.Method),
		DownloadBytes: p.DownloadBytes, ReuseBytes: p.ReuseBytes, WriteBytes: p.WriteBytes,
		Volume: p.Volume, ReplacesVolume: p.ReplacedVolume, Reason: p.Reason,
		Entry: p.Entry, ReplacesEntries: array(p.ReplacedEntries),
		CacheBytes: p.CacheBytes, ESPBytes: p.ESPBytes, GroupBytes: p.GroupBytes, Blockers: newBlockers(p.Blockers),
	}
}

type historyObject struct {
	Transaction string         `json:"transaction"`
	Version     string         `json:"version"`
	From        string         `json:"from"`
	Started     *time.Time     `json:"started"`
	Finished    *time.Time     `json:"finished"`
	Result      updater.Result `json:"result"`
	Error       *errorObject   `json:"error"`
	Bytes       int64          `json:"bytes"`
}

func newHistoryObject(e updater.HistoryEntry) historyObject {
	return historyObject{
		Transaction: e.Transaction, Version: e.Version, From: e.From,
		Started: timeObject(e.Started), Finished: timeObject(e.Finished),
		Result: e.Result, Error: newErrorObject(endedWith(e)), Bytes: e.Bytes,
	}
}

type rollbackObject struct {
	Version string `json:"version"`
}

type holdObject struct {
	Held       bool       `json:"held"`
	HoldReason string     `json:"hold_reason"`
	Until      *time.Time `json:"until"`
}

type unholdObject struct {
	Held bool `json:"held"`
}

type markObject struct {
	Result string `json:"result"`
}

type forgetObject struct {
	Version string `json:"version"`
}

type reloadObject struct {
	Reloaded bool `json:"reloaded"`
}
