// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godbus/dbus/v5"
)

// What polkit is called on the bus (polkit's D-Bus API, interface
// org.freedesktop.PolicyKit1.Authority).
const (
	polkitName      = "org.freedesktop.PolicyKit1"
	polkitPath      = "/org/freedesktop/PolicyKit1/Authority"
	polkitAuthority = "org.freedesktop.PolicyKit1.Authority"

	// polkitActions precedes the actions in org.clipos.updater1.policy.
	polkitActions = "org.clipos.updater1."

	// allowUserInteraction has polkit ask somebody (CheckAuthorizationFlags).
	allowUserInteraction = 1
)

const (
	// checkLimit bounds an answer that takes nobody's password; the bus may
	// have to start polkit for it.
	checkLimit = 8 * time.Second
	// askLimit is how long a person has for a password.
	askLimit = 2 * time.Minute
	// askSlots is how many calls may wait for a person, and askSlotsEach how
	// many of each user.
	askSlots     = 32
	askSlotsEach = 4
)

// polkit lets root do everything and asks polkit about everybody else. Whatever
// is not a clear yes is a no, so where there is no polkit there is only root.
type polkit struct {
	checkLimit time.Duration
	askLimit   time.Duration
	asking     *waitingRoom
	// lastID is the number of the last question that can be called off.
	lastID atomic.Uint64
}

func newPolkit() *polkit {
	return &polkit{checkLimit: checkLimit, askLimit: askLimit, asking: newWaitingRoom(askSlots, askSlotsEach)}
}

// verdict is polkit's AuthorizationResult.
type verdict struct {
	Authorised bool
	// Challenge: somebody's password would make it a yes.
	Challenge bool
	Details   map[string]string
}

// authorise asks polkit without bothering anybody first: who is allowed anyway
// need not queue behind those who wait for a person.
func (p *polkit) authorise(ctx context.Context, c caller, a action, interactive bool) error {
	if c.uid == 0 || isGranted(ctx, c, a) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.checkLimit)
	defer cancel()
	v, err := p.check(ctx, c, a, 0, "")
	challenge := &challengeError{
		caller: c, action: a,
		ask: func(ctx context.Context) error { return p.ask(ctx, c, a) },
	}
	switch {
	case err != nil:
		return denied(c, a, err)
	case v.Authorised:
		return nil
	case v.Challenge && interactive:
		return challenge
	case v.Challenge:
		return challenge.Unwrap()
	}
	return denied(c, a, errors.New("polkit says no"))
}

// ask has polkit ask somebody. It ends early when the caller leaves the bus.
func (p *polkit) ask(ctx context.Context, c caller, a action) error {
	if !p.asking.enter(c.uid) {
		return standardError("LimitsExceeded", "too many calls wait for an authorisation")
	}
	defer p.asking.leave(c.uid)
	ctx, cancel := context.WithTimeout(ctx, p.askLimit)
	defer cancel()
	forget, err := c.bus.onLeaving(ctx, c.name, cancel)
	if err != nil {
		return denied(c, a, err)
	}
	defer forget()
	id := BusName + "/" + strconv.FormatUint(p.lastID.Add(1), 10)
	v, err := p.check(ctx, c, a, allowUserInteraction, id)
	switch {
	case ctx.Err() != nil:
		// Even if there was an answer: it is nobody's any more.
		c.callOff(ctx, id)
		return denied(c, a, errors.New("nobody authorised it in time"))
	case err != nil:
		return denied(c, a, err)
	case v.Authorised:
		return nil
	case v.Details["polkit.dismissed"] != "":
		return denied(c, a, errors.New("the request was dismissed"))
	}
	return denied(c, a, errors.New("nobody authorised it"))
}

// check calls CheckAuthorization. The details are empty: nothing of the call is
// shown to, or logged for, whoever is asked.
func (p *polkit) check(ctx context.Context, c caller, a action, flags uint32, cancellationID string) (verdict, error) {
	type subject struct {
		Kind    string
		Details dict
	}
	who := subject{"system-bus-name", dict{"name": dbus.MakeVariant(c.name)}}
	var v verdict
	err := c.authority().CallWithContext(ctx, polkitAuthority+".CheckAuthorization", 0,
		who, polkitActions+string(a), map[string]string{}, flags, cancellationID).Store(&v)
	if err != nil {
		return verdict{}, err
	}
	return v, nil
}

// callOff takes back a question whose context has ended, so that no dialogue
// stays on somebody's screen. There is no answer to wait for.
func (c caller) callOff(ctx context.Context, id string) {
	c.authority().CallWithContext(context.WithoutCancel(ctx), polkitAuthority+".CancelCheckAuthorization",
		dbus.FlagNoReplyExpected|dbus.FlagNoAutoStart, id)
}

// authority is polkit on the bus the caller is on.
func (c caller) authority() dbus.BusObject {
	return c.bus.Object(polkitName, polkitPath)
}

// denied is the refusal of a to c.
func denied(c caller, a action, reason error) error {
	var answer dbus.Error
	switch {
	case isAbsent(reason):
		reason = errors.New("there is no polkit, only root may")
	case errors.As(reason, &answer):
		reason = errors.New("polkit: " + answer.Name)
	}
	return standardError("AccessDenied", "user %d may not do this (%s): %v", c.uid, a, reason)
}

// waitingRoom bounds how many calls there are at once, of all users and of each.
type waitingRoom struct {
	slots, each int

	mu      sync.Mutex
	all     int
	waiting map[uint32]int // by user
}

func newWaitingRoom(slots, each int) *waitingRoom {
	return &waitingRoom{slots: slots, each: each, waiting: map[uint32]int{}}
}

// enter tells whether there is room for one more call of uid, which then leaves.
func (r *waitingRoom) enter(uid uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == r.slots || r.waiting[uid] == r.each {
		return false
	}
	r.all++
	r.waiting[uid]++
	return true
}

func (r *waitingRoom) leave(uid uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	r.waiting[uid]--
	if r.waiting[uid] == 0 {
		delete(r.waiting, uid)
	}
}
