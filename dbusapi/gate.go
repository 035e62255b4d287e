// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	// callSlots, querySlots and readSlots are how many methods that need a right,
	// how many that need none, and how many property or introspection calls run
	// at once. They are apart so that calls that wait for the network never keep
	// anybody from reading, and that whoever may only ask cannot crowd out those
	// who may act.
	callSlots  = 16
	querySlots = 8
	readSlots  = 64

	// doorSlots are how many callers the bus is asked about at once, which comes
	// first: more than one connection can have waiting (128,
	// max_replies_per_connection in dbus-daemon(1)).
	doorSlots = 160

	// callLimit and callGrace add up to less than the 20 seconds within which
	// every call is answered that waits for nobody's password; a caller's
	// library gives up after 25 (libdbus).
	callLimit = 18 * time.Second
	callGrace = 1 * time.Second
)

// gate is what every method call passes: it bounds how many run at once and for
// how long, and keeps a panic in one from ending the process.
type gate struct {
	slots chan struct{}
	// others are the calls in slots that are not root's: root finds room, and
	// each user a share. They are counted once the caller is known, see [method].
	others *waitingRoom
	limit  time.Duration
	log    *slog.Logger
}

func newGate(slots int, log *slog.Logger) *gate {
	return &gate{
		slots: make(chan struct{}, slots), others: newWaitingRoom(othersOf(slots), eachOf(slots)),
		limit: callLimit, log: log,
	}
}

// othersOf is how many of a gate's slots all users but root may have, eachOf
// how many each of them.
func othersOf(slots int) int { return slots * 3 / 4 }
func eachOf(slots int) int   { return slots / 4 }

// enter takes a slot for a user's call, which then calls leave.
func (g *gate) enter(uid uint32) (leave func(), err error) {
	full := standardError("LimitsExceeded", "too many calls at once")
	if uid != 0 && !g.others.enter(uid) {
		return nil, full
	}
	giveBack := func() {
		if uid != 0 {
			g.others.leave(uid)
		}
	}
	select {
	case g.slots <- struct{}{}:
		return func() { <-g.slots; giveBack() }, nil
	default:
		giveBack()
		return nil, full
	}
}

// answer is what a handler came to.
type answer[T any] struct {
	result T
	err    error
}

// serve answers the call m, whoever sent it. Its arguments are to have exactly
// the given signature: the library would convert, a number to text for example.
//
// A handler asks for its right before it changes anything. When it returns a
// [*challengeError], somebody is asked, which takes minutes and therefore neither
// a slot nor the handler's time; then the handler runs once more, from the
// start: with the same message, and only if its caller is still there.
func serve[T any](ctx context.Context, g *gate, m dbus.Message, signature string, handler func(context.Context) (T, error)) (T, *dbus.Error) {
	return settle(ctx, m, signature, func(ctx context.Context) answer[T] { return pass(ctx, g, 0, m, handler) })
}

// settle is serve with what it does besides passing the gate.
func settle[T any](ctx context.Context, m dbus.Message, signature string, try func(context.Context) answer[T]) (T, *dbus.Error) {
	given, _ := m.Headers[dbus.FieldSignature].Value().(dbus.Signature)
	if given.String() != signature {
		var none T
		return none, standardError("InvalidArgs", "the arguments are %q, not %q", signature, given.String())
	}
	a := try(ctx)
	var challenge *challengeError
	if errors.As(a.err, &challenge) {
		a.err = challenge.ask(ctx)
		if a.err == nil {
			a = try(challenge.grant(ctx))
		}
	}
	return a.result, toBus(a.err)
}

// pass runs the handler in one of the user's slots. Its context ends after the
// gate's limit; the answer is given soon after even if the handler does not heed
// that.
func pass[T any](ctx context.Context, g *gate, uid uint32, m dbus.Message, handler func(context.Context) (T, error)) answer[T] {
	leave, err := g.enter(uid)
	if err != nil {
		return answer[T]{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, g.limit)
	defer cancel()
	answers := make(chan answer[T], 1)
	go func() {
		a := attempt(ctx, g, m, handler)
		leave() // taken for as long as the handler runs, answered or not
		answers <- a
	}()
	late := time.NewTimer(g.limit + callGrace)
	defer late.Stop()
	select {
	case a := <-answers:
		if errors.Is(a.err, context.DeadlineExceeded) {
			a.err = fmt.Errorf("no answer within %v: %w", g.limit, a.err)
		}
		return a
	case <-late.C:
		return answer[T]{err: fmt.Errorf("no answer within %v: %w", g.limit, context.DeadlineExceeded)}
	}
}

// attempt runs the handler; its panic becomes an error.
func attempt[T any](ctx context.Context, g *gate, m dbus.Message, handler func(context.Context) (T, error)) (a answer[T]) {
	defer func() {
		if p := recover(); p != nil {
			g.log.Error("method call panicked", "sender", sender(m),
				"member", m.Headers[dbus.FieldMember].Value(), "panic", p, "stack", string(debug.Stack()))
			a = answer[T]{err: errors.New("internal error, see the journal of the service")}
		}
	}()
	result, err := handler(ctx)
	return answer[T]{result, err}
}
