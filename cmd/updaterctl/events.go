// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// The JSON output of what happens, a line each.

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

type rolledBackEvent struct {
	kind
	From string `json:"from"`
	To   string `json:"to"`
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
	case updater.RolledBackEvent:
		return rolledBackEvent{kind{"rolled-back"}, e.From, e.To}
	case dbusapi.Vanished:
		return kind{"vanished"}
	case dbusapi.Returned:
		return kind{"returned"}
	}
	return nil
}
