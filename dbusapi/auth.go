// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// caller is who sent a message, as the bus vouches for it.
type caller struct {
	uid uint32
	// name is the unique name of the caller's connection. The process id is
	// left out on purpose: it may be another process by the time it is used.
	name string
	// bus is the connection the message came on.
	bus *connection
}

// authoriser decides whether a caller may do something. Every error is a
// refusal.
type authoriser interface {
	// authorise returns within seconds. Where a person has to be asked first
	// and the caller is ready to wait for that (interactive), the refusal is a
	// [*challengeError].
	authorise(ctx context.Context, c caller, a action, interactive bool) error
}

// challengeError refuses for now: somebody has to be asked. A handler passes it
// on; its gate asks and calls the handler again (see [serve]).
type challengeError struct {
	caller caller
	action action
	// ask returns when somebody has agreed, or with an error. It takes minutes.
	ask func(ctx context.Context) error
}

func (e *challengeError) Error() string { return e.Unwrap().Error() }

// Unwrap is what the caller is told when nobody is asked after all.
func (e *challengeError) Unwrap() error {
	return standardError("InteractiveAuthorizationRequired", "somebody has to authorise this (%s)", e.action)
}

// grantKey is the key of a grant in a context.
type grantKey struct{}

// grant is one right of one caller.
type grant struct {
	caller caller
	action action
}

// grant returns a context for one more run of the handler that was challenged.
// It is good for the very right that was asked for and no other.
func (e *challengeError) grant(ctx context.Context) context.Context {
	return context.WithValue(ctx, grantKey{}, grant{e.caller, e.action})
}

// isGranted tells whether somebody has already agreed in this call.
func isGranted(ctx context.Context, c caller, a action) bool {
	return ctx.Value(grantKey{}) == grant{c, a}
}

// identifyLimit bounds how long the bus may take to say who a caller is.
const identifyLimit = 5 * time.Second

// identify asks the bus who sent a message.
func identify(ctx context.Context, bus *connection, sender string) (caller, error) {
	ctx, cancel := context.WithTimeout(ctx, identifyLimit)
	defer cancel()
	c := caller{name: sender, bus: bus}
	if err := bus.callBus(ctx, "GetConnectionUnixUser", &c.uid, sender); err != nil {
		// The caller may be gone by now, and nobody else is to be taken for it.
		return caller{}, standardError("AccessDenied", "caller unknown: %v", err)
	}
	return c, nil
}

// sender is the unique name the bus put on m; "" only where there is no bus.
func sender(m dbus.Message) string {
	name, _ := m.Headers[dbus.FieldSender].Value().(string)
	return name
}

// isInteractive tells that the sender of m is ready to wait until somebody has
// been asked (ALLOW_INTERACTIVE_AUTHORIZATION, D-Bus Specification).
func isInteractive(m dbus.Message) bool {
	return m.Flags&dbus.FlagAllowInteractiveAuthorization != 0
}

// job remembers who began the last transaction: its owner may always cancel it.
type job struct {
	mu          sync.Mutex
	transaction string
	owner       uint32
}

// begun tells that uid was given transaction; only the first to whom a
// transaction was given owns it, others joined.
func (j *job) begun(transaction string, uid uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if transaction != j.transaction {
		j.transaction, j.owner = transaction, uid
	}
}

func (j *job) ownedBy(uid uint32, transaction string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return transaction != "" && transaction == j.transaction && uid == j.owner
}

// noOptions refuses all options: there are none yet, and one that is ignored
// would be taken for granted. It comes before anything that takes time: a
// dictionary is what costs the most memory of all that a caller can send.
func noOptions(options dict) *dbus.Error {
	for name := range options {
		return standardError("InvalidArgs", "unknown option %q", fmt.Sprintf("%.64s", name))
	}
	return nil
}
