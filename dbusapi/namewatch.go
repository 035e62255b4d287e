// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"fmt"
	"sync"

	"github.com/godbus/dbus/v5"
)

// nameWatch takes the signals of a connection and heeds two of the bus itself:
// that the service's name was lost, and that a caller somebody waits for has
// left. Everything else is dropped at once: anybody may send this process any
// number of signals, and the library's own handlers would keep them.
type nameWatch struct {
	once sync.Once
	lost chan struct{}

	mu sync.Mutex
	// leaving has what to call when a name leaves the bus, by a key of its own
	// for each.
	leaving map[*departure]struct{}
}

// departure is what to do when a name leaves the bus. It must not block.
type departure struct {
	name string
	do   func()
}

func newNameWatch() *nameWatch {
	return &nameWatch{lost: make(chan struct{}), leaving: map[*departure]struct{}{}}
}

// DeliverSignal implements [dbus.SignalHandler].
func (w *nameWatch) DeliverSignal(iface, member string, s *dbus.Signal) {
	if s.Sender != busInterface || iface != busInterface {
		return
	}
	switch member {
	case "NameLost":
		if len(s.Body) == 1 && s.Body[0] == BusName {
			w.once.Do(func() { close(w.lost) })
		}
	case "NameOwnerChanged":
		if len(s.Body) == 3 && s.Body[2] == "" {
			w.left(s.Body[0])
		}
	}
}

func (w *nameWatch) left(name any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d := range w.leaving {
		if d.name == name {
			d.do()
		}
	}
}

func (w *nameWatch) add(d *departure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaving[d] = struct{}{}
}

func (w *nameWatch) remove(d *departure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.leaving, d)
}

// onLeaving has do called when the connection with the given unique name leaves
// the bus, until forget is called. It is an error when it has left already.
func (c *connection) onLeaving(ctx context.Context, name string, do func()) (forget func(), err error) {
	d := &departure{name, do}
	match := []dbus.MatchOption{
		dbus.WithMatchSender(busInterface), dbus.WithMatchInterface(busInterface),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, name),
	}
	c.names.add(d)
	forget = func() {
		c.names.remove(d)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), identifyLimit)
		defer cancel()
		_ = c.RemoveMatchSignalContext(ctx, match...) // it fails when the bus is gone, and the match with it
	}
	err = c.AddMatchSignalContext(ctx, match...)
	if err == nil {
		// It may have left before the bus was asked to tell.
		var owner string
		err = c.callBus(ctx, "GetNameOwner", &owner, name)
	}
	if err != nil {
		forget()
		return nil, fmt.Errorf("watching caller: %w", err)
	}
	return forget, nil
}
