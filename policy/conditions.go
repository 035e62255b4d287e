// SPDX-License-Identifier: LGPL-2.1-or-later

package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Conditions are what the rules are held against: the machine at one moment.
type Conditions struct {
	// Now is the time, in the location that texts and windows go by.
	Now time.Time
	// Held: somebody asked for HoldReason that nothing happens by itself
	// before HeldUntil, zero for ever. A hold is over at HeldUntil.
	Held       bool
	HoldReason string
	HeldUntil  time.Time
	// OnBattery means nothing when PowerError says that it cannot be told,
	// nor does Metered with MeteredError.
	OnBattery    bool
	PowerError   error
	Metered      bool
	MeteredError error
	// RetryAt is when automatic work may be tried again after LastFailure,
	// zero when it has not failed. See [Schedule.RetryAt].
	RetryAt     time.Time
	LastFailure string
	// FailedVersion is the version offered when it did not come up here.
	FailedVersion string
	// Unconfirmed: the running version was not found good yet, and the update
	// would overwrite the one to fall back to.
	Unconfirmed bool
}

// Blockers are why nothing is installed by itself now, in the order of their
// codes; none when nothing speaks against it. Texts have at most some hundred
// characters and no control characters.
func (r Rules) Blockers(c Conditions) []Blocker {
	return present(r.modeInstall(), c.held(), r.window(c), r.power(c), r.metered(c), c.unconfirmed(), c.failedBefore(), r.retryLater(c))
}

// FetchBlockers are why nothing is even fetched by itself now.
func (r Rules) FetchBlockers(c Conditions) []Blocker {
	return present(r.modeFetch(), c.held(), r.metered(c), c.failedBefore(), r.retryLater(c))
}

// present drops the zero value, which is no blocker.
func present(all ...Blocker) []Blocker {
	var blockers []Blocker
	for _, b := range all {
		if b != (Blocker{}) {
			blockers = append(blockers, b)
		}
	}
	return blockers
}

func (r Rules) modeInstall() Blocker {
	if r.Mode == ModeInstall {
		return Blocker{}
	}
	return Blocker{BlockerMode, fmt.Sprintf("policy.toml says mode = %q, update by hand or set it to %q", r.Mode, ModeInstall)}
}

func (r Rules) modeFetch() Blocker {
	if r.Mode == ModeInstall || r.Mode == ModeFetch {
		return Blocker{}
	}
	return Blocker{BlockerMode, fmt.Sprintf("policy.toml says mode = %q, update by hand or set it to %q or %q", r.Mode, ModeFetch, ModeInstall)}
}

func (c Conditions) held() Blocker {
	switch {
	case !c.Held:
		return Blocker{}
	case c.HeldUntil.IsZero():
		return Blocker{BlockerHeld, "held by the administrator until released" + because(c.HoldReason)}
	case !c.Now.Before(c.HeldUntil):
		return Blocker{}
	}
	until := c.HeldUntil.In(c.Now.Location()).Format("2006-01-02 15:04")
	return Blocker{BlockerHeld, "held by the administrator until " + until + because(c.HoldReason)}
}

func (r Rules) window(c Conditions) Blocker {
	if r.InWindow(c.Now) {
		return Blocker{}
	}
	return Blocker{BlockerWindow, "outside the maintenance windows, the next begins " + c.local(r.NextWindow(c.Now))}
}

func (r Rules) power(c Conditions) Blocker {
	switch {
	case !r.RequireACPower:
		return Blocker{}
	case c.PowerError != nil:
		return Blocker{BlockerPower, "cannot tell whether the machine is on battery power, which require_ac_power forbids" + because(c.PowerError.Error())}
	case c.OnBattery:
		return Blocker{BlockerPower, "on battery power, plug in"}
	}
	return Blocker{}
}

func (r Rules) metered(c Conditions) Blocker {
	switch {
	case r.AllowMetered:
		return Blocker{}
	case c.MeteredError != nil:
		return Blocker{BlockerMetered, "cannot tell whether the network is metered, which needs allow_metered" + because(c.MeteredError.Error())}
	case c.Metered:
		return Blocker{BlockerMetered, "the network is metered, connect to another or set allow_metered"}
	}
	return Blocker{}
}

func (c Conditions) unconfirmed() Blocker {
	if !c.Unconfirmed {
		return Blocker{}
	}
	return Blocker{BlockerNotConfirmed, "the running version is not confirmed good yet and the one to fall back to would be overwritten, wait or mark it good"}
}

func (c Conditions) failedBefore() Blocker {
	if c.FailedVersion == "" {
		return Blocker{}
	}
	return Blocker{BlockerFailedBefore, fmt.Sprintf("version %s did not come up when it was booted here, wait for a newer one or forget the failure", plain(c.FailedVersion))}
}

// retryLater believes no time further off than every wait there is: it was
// left by a clock that was wrong.
func (r Rules) retryLater(c Conditions) Blocker {
	longest := r.Interval + part(1, r.Interval)
	if wait := c.RetryAt.Sub(c.Now); wait <= 0 || wait > longest {
		return Blocker{}
	}
	return Blocker{BlockerRetryLater, "the last attempt failed, the next is due " + c.local(c.RetryAt) + because(c.LastFailure)}
}

// local writes a time as systemd does, without seconds.
func (c Conditions) local(t time.Time) string {
	return t.In(c.Now.Location()).Format("Mon 2006-01-02 15:04 MST")
}

// because appends a reason in somebody else's words, if there is one.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + plain(reason)
}

// plain cuts a text that somebody else wrote, and quotes it where it would not
// print as it is.
func plain(s string) string {
	const most = 120
	runes := 0
	for i := range s {
		if runes++; runes > most {
			s = s[:i] + "…"
			break
		}
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
