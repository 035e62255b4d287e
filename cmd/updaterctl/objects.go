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
		Stale: o.Stale,
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

type kind struct {
	Event string `json:"event"`
}

type acceptedEvent struct {
	kind
	updateObject
}

type statusEvent struct {
	kind
	Status statusObject `json:"status"`
}

type progressEvent struct {
	kind
	Transaction string        `json:"transaction"`
	Stage       updater.Stage `json:"stage"`
	Progress    float64       `json:"progress"`
	BytesDone   int64         `json:"bytes_done"`
	BytesTotal  int64         `json:"bytes_total"`
}

type completedEvent struct {
	kind
	Transaction string       `json:"transaction"`
	Version     string       `json:"version"`
	Error       *errorObject `json:"error"`
}

type availableEvent struct {
	kind
	checkObject
}

type rebootEvent struct {
	kind
	Version string `json:"version"`
}

// eventObject is e as it is printed, nil for an event without an object.
func eventObject(e dbusapi.Event) any {
	switch e := e.(type) {
	case dbusapi.Changed:
		return statusEvent{kind{"status"}, newStatusObject(e.Overview)}
	case updater.ProgressEvent:
		s := e.Status
		return progressEvent{kind{"progress"}, e.Transaction, s.Stage, s.Progress, s.BytesDone, s.BytesTotal}
	case updater.CompletedEvent:
		return completedEvent{kind{"completed"}, e.Transaction, e.Version, newErrorObject(e.Err)}
	case updater.UpdateAvailableEvent:
		return availableEvent{kind{"update-available"}, checkObject(e.Check)}
	case updater.RebootRequiredEvent:
		return rebootEvent{kind{"reboot-required"}, e.Version}
	case dbusapi.Vanished:
		return kind{"vanished"}
	case dbusapi.Returned:
		return kind{"returned"}
	}
	return nil
}
