// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// properties are what logind says of a session (org.freedesktop.login1(5),
// "Session Objects").
type properties map[string]dbus.Variant

// session is what logind says of the user. It is not about the session in which
// this program was started: the user's bus, and with it this program, may
// outlive that and serve the next, or two at once.
type session struct {
	// known: logind was asked, if there is one. Nothing is shown before.
	known bool
	// active: the user's desktop has the screen.
	active bool
	usage  usage
}

// onlySession is what there is where nobody counts sessions.
func onlySession() session { return session{known: true, active: true} }

// usage tells whether somebody works.
type usage int

const (
	usageUnknown usage = iota // the desktop never says
	usageBusy
	usageIdle // nobody touched it for a while, or the screen is locked
)

// view is what all sessions of a user together say. Only those count that are as
// likely as any to be his desktop. A user who is in no session was not counted.
func view(sessions []properties) session {
	now, best, counted := session{known: true}, notDesktop, false
	for _, p := range sessions {
		counted = counted || !p.isService()
		d := p.desktop()
		if d > best {
			now, best = session{known: true}, d
		}
		if d != best || d == notDesktop || !value[bool](p, "Active") {
			continue
		}
		now.active = true
		if now.usage != usageBusy {
			now.usage = p.usage()
		}
	}
	if !counted {
		return onlySession()
	}
	return now
}

// desktop tells how likely it is that the user's desktop is in a session.
type desktop int

const (
	notDesktop   desktop = iota
	farDesktop           // ssh, and a desktop for VNC begun there, perhaps
	seatDesktop          // a text console, and a desktop begun there, perhaps
	graphicalOne         // it says so itself
)

func (p properties) desktop() desktop {
	class := value[string](p, "Class")
	switch {
	case class != "user" && !strings.HasPrefix(class, "user-"):
		return notDesktop // above all the greeter, where nobody has logged in
	case value[string](p, "State") == "closing":
		return notDesktop // he has logged out, and left something running
	case slices.Contains([]string{"x11", "wayland", "mir"}, value[string](p, "Type")), value[string](p, "Display") != "":
		return graphicalOne
	case p.seat() != "":
		return seatDesktop
	}
	return farDesktop
}

// isService tells that nobody has logged in for that session: it is one of cron,
// or since systemd 256 of the user's own systemd.
func (p properties) isService() bool {
	class := value[string](p, "Class")
	return strings.HasPrefix(class, "background") || strings.HasPrefix(class, "manager")
}

// seat is the name of the session's seat, "" when it has none.
func (p properties) seat() string {
	row := value[[]any](p, "Seat")
	if len(row) == 0 {
		return ""
	}
	name, _ := row[0].(string)
	return name
}

// usage tells whether somebody works in the session. A desktop that never says
// that it is idle has never set the time either.
func (p properties) usage() usage {
	switch {
	case value[bool](p, "LockedHint"), value[bool](p, "IdleHint"):
		return usageIdle
	case value[uint64](p, "IdleSinceHint") != 0:
		return usageBusy
	}
	return usageUnknown
}

// value is what a dictionary has for a key, or zero.
func value[T any](p properties, key string) T {
	v, _ := p[key].Value().(T)
	return v
}
