// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import "github.com/clipos/updater/updater"

// reasons are what errors mean to somebody at a desktop, by their short D-Bus
// name. What is not here is a matter for an administrator.
var reasons = map[string]phrase{
	"NetworkUnavailable": failedNetwork,
	"TooSlow":            failedNetwork,

	"TLSFailed":        failedServer,
	"ServerError":      failedServer,
	"ResponseTooLarge": failedServer,

	"SignatureInvalid": failedUntrusted,
	"VersionMismatch":  failedUntrusted,
	"ContentMismatch":  failedUntrusted,
	"Downgrade":        failedUntrusted,

	"VolumeTooSmall":     failedSpace,
	"NoSpaceVolumeGroup": failedSpace,
	"NoSpaceESP":         failedSpace,
	"NoSpaceCache":       failedSpace,

	"WriteFailed":      failedDisk,
	"ReadBackMismatch": failedDisk,

	"Interrupted":  failedInterrupt,
	"FailedBefore": failedBefore,

	"Busy":           failedBusy,
	"LimitsExceeded": failedBusy,

	"AccessDenied":                     failedRefused,
	"InteractiveAuthorizationRequired": failedRefused,

	"ServiceUnknown": failedService,
	"NameHasNoOwner": failedService,
	"NoReply":        failedService,
	"NoServer":       failedService,
}

func reason(name string) phrase {
	if p, ok := reasons[name]; ok {
		return p
	}
	return failedOther
}

func (w words) failed(c card, can capabilities, n *notification) []string {
	n.icon, n.summary = "dialog-error", w.say(failedTitle)
	lines := []string{w.say(reason(c.problem.name)), w.say(failedUnchanged)}
	if c.details && c.problem.message != "" {
		lines = append(lines, clean(c.problem.message, messageRunes))
	}
	// What an administrator looks up.
	lines = append(lines, w.say(failedCode, clean(c.problem.name, nameRunes)))
	if !can.actions {
		lines = append(lines, w.say(failedNoButton))
	}
	return lines
}

func (w words) stage(s updater.Stage) string {
	p, ok := map[updater.Stage]phrase{
		updater.StageChecking:   stageChecking,
		updater.StageFetching:   stageFetching,
		updater.StageVerifying:  stageVerifying,
		updater.StageInstalling: stageInstalling,
		updater.StageSwapping:   stageSwapping,
		updater.StageDone:       stageSwapping,
	}[s]
	if !ok {
		p = stageUnknown
	}
	return w.say(p)
}
