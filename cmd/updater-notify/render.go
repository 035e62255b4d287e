// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"math"
	"strings"
	"time"
)

// notification is a card in words, as the notification server takes it.
type notification struct {
	// app is the program's name for people.
	app           string
	summary, body string
	icon          string
	// actions are keys and labels, in turn.
	actions []string
	urgency urgency
	// percent is how far the job has come; -1: there is none.
	percent int32
	// transient: not worth keeping once it has gone.
	transient bool
	// expiresMillis is after how long it may go by itself; 0: never.
	expiresMillis int32
}

// urgency as the Desktop Notifications Specification has it ("Urgency Levels").
// What is not to disturb is the server's decision: critical alone is shown
// whatever the user does, and so is kept for what cannot wait.
type urgency byte

const (
	urgencyLow      urgency = 0
	urgencyNormal   urgency = 1
	urgencyCritical urgency = 2
)

// capabilities are what a notification server can do (GetCapabilities), and
// gauge: it draws a bar for the hint "value" and shows the text too.
type capabilities struct{ actions, body, markup, gauge bool }

// plannedMillis is how long the answer to "Tonight" is to be seen.
const plannedMillis = 15_000

// render puts a card in words that a server with such capabilities can show.
func (w words) render(c card, can capabilities) notification {
	n := notification{app: w.say(appName), percent: -1, urgency: urgencyNormal}
	var lines []string
	switch c.kind {
	case kindImminent:
		lines = w.imminent(c, can, &n)
	case kindProgress:
		lines = w.progress(c, can, &n)
	case kindFailed:
		lines = w.failed(c, can, &n)
	case kindRolledBack:
		n.icon, n.summary = "dialog-warning", w.say(rolledBackTitle, clean(c.running, versionRunes))
		lines = []string{w.say(rolledBackBody, clean(c.running, versionRunes), clean(c.version, versionRunes))}
	case kindPlanned:
		n.icon, n.summary, n.expiresMillis, n.urgency = "system-reboot", w.say(plannedTitle), plannedMillis, urgencyLow
		lines = []string{w.say(plannedBody, clean(c.version, versionRunes), clock(c.at))}
	case kindReady:
		lines = w.ready(c, &n)
	case kindAvailable:
		lines = w.available(c, can, &n)
	case kindStale:
		lines = w.stale(c, can, &n)
	}
	if can.actions {
		for _, a := range c.actions {
			n.actions = append(n.actions, string(a), w.label(a))
		}
	}
	n.fill(lines, can)
	return n
}

// fill makes the body of lines; without one the summary says it all.
func (n *notification) fill(lines []string, can capabilities) {
	body := strings.Join(lines, "\n")
	switch {
	case can.body && can.markup:
		n.body = escape(body)
	case can.body:
		n.body = body
	default:
		n.summary += ". " + strings.Join(lines, " ")
	}
}

func (w words) label(a action) string {
	return w.say(map[action]phrase{
		actionInstall: buttonInstall,
		actionRetry:   buttonRetry,
		actionDetails: buttonDetails,
		actionRestart: buttonRestart,
		actionTonight: buttonTonight,
		actionStay:    buttonStay,
		actionCheck:   buttonCheck,
		actionLater:   buttonLater,
	}[a])
}

// clock is the time of day.
func clock(t time.Time) string { return t.Local().Format("15:04") }

func (w words) imminent(c card, can capabilities, n *notification) []string {
	n.icon, n.summary, n.urgency = "system-reboot", w.say(imminentTitle, clock(c.at)), urgencyCritical
	lines := []string{w.say(imminentBody, clean(c.version, versionRunes))}
	if !can.actions {
		lines = append(lines, w.say(imminentNotice))
	}
	return lines
}

func (w words) progress(c card, can capabilities, n *notification) []string {
	n.icon, n.summary, n.urgency, n.transient = "system-software-update", w.say(progressTitle), urgencyLow, true
	done := percent(c.status.Progress)
	if can.gauge {
		n.percent = done
	}
	if c.status.Stage == "checking" {
		n.summary = w.say(updateTitle)
	}
	lines := []string{w.say(progressBody, w.stage(c.status.Stage), done)}
	if left := w.left(c.status.Remaining); left != "" {
		lines = append(lines, left)
	}
	return lines
}

// percent rounds down: 100 is for what has ended.
func percent(progress float64) int32 {
	if math.IsNaN(progress) {
		return 0
	}
	return int32(min(max(progress, 0), 1) * 100)
}

func (w words) ready(c card, n *notification) []string {
	n.icon, n.summary = "system-reboot", w.say(readyTitle)
	lines := []string{w.say(readyBody, clean(c.version, versionRunes))}
	switch p := c.problem; {
	case p == nil:
	case p.inhibitor != inhibitor{}:
		lines = append(lines, w.say(readyInhibited, clean(p.inhibitor.who, nameRunes), clean(p.inhibitor.why, messageRunes)))
	case reason(p.name) == failedRefused:
		lines = append(lines, w.say(readyRefused))
	default:
		lines = append(lines, w.say(readyNoLogind))
	}
	return lines
}

func (w words) available(c card, can capabilities, n *notification) []string {
	n.icon, n.summary = "software-update-available", w.say(availableTitle)
	lines := []string{w.say(availableBody, clean(c.version, versionRunes), clean(c.running, versionRunes))}
	switch {
	case c.plan != nil:
		lines = append(lines, w.say(planDownload, w.size(c.plan.DownloadBytes), w.size(c.plan.WriteBytes)), w.say(planRestart))
	case c.details:
		lines = append(lines, w.say(planRestart))
	case c.downloadBytes > 0:
		lines = append(lines, w.say(availableSize, w.size(c.downloadBytes)))
	}
	if !can.actions {
		lines = append(lines, w.say(availableNoButton))
	}
	return lines
}

func (w words) stale(c card, can capabilities, n *notification) []string {
	n.icon, n.summary = "dialog-warning", w.say(staleTitle)
	lines := []string{w.say(staleNever)}
	if c.days > 0 {
		lines[0] = w.say(staleBody, c.days)
	}
	if !can.actions {
		lines = append(lines, w.say(staleNoButton))
	}
	return lines
}
