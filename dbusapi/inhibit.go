// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

// ErrNoLogin1: no systemd-logind is on the bus, so nothing can be inhibited.
var ErrNoLogin1 = errors.New("no org.freedesktop.login1 on the bus")

// inhibitLimit bounds how long login1 may take.
const inhibitLimit = 10 * time.Second

// Inhibit keeps the machine from being shut down or put to sleep until release
// is called or this process ends; why is what people are shown who try. The
// inhibitor is the descriptor that login1 answers with (Inhibit,
// org.freedesktop.login1(5)), not the connection it came on: that is a second
// one, without a name and only as long as the question, because it is the only
// one on which others could send this process descriptors.
func Inhibit(ctx context.Context, address, why string) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, inhibitLimit)
	defer cancel()
	bus, descriptors, err := dialDescriptors(ctx, address)
	if err != nil {
		return nil, err
	}
	defer bus.close() // with all the descriptors nobody took
	if err := bus.handshake(ctx); err != nil {
		return nil, err
	}
	// NoAutoStart: where there is no login1, nobody shuts down through it.
	var index dbus.UnixFDIndex
	err = bus.Object("org.freedesktop.login1", "/org/freedesktop/login1").
		CallWithContext(ctx, "org.freedesktop.login1.Manager.Inhibit", dbus.FlagNoAutoStart,
			"shutdown:sleep", "updaterd", why, "block").Store(&index)
	if isAbsent(err) {
		return nil, ErrNoLogin1
	}
	if err != nil {
		return nil, fmt.Errorf("inhibitor: %w", err)
	}
	lock, err := descriptors.take(index)
	if err != nil {
		return nil, fmt.Errorf("inhibitor: %w", err)
	}
	return func() { _ = lock.Close() }, nil
}

// dialDescriptors is dial, on a connection that takes descriptors.
func dialDescriptors(ctx context.Context, address string) (*connection, *descriptorConn, error) {
	socket, err := dialSocket(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	d := &descriptorConn{UnixConn: socket}
	conn, err := dbus.NewConn(d)
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return &connection{Conn: conn, socket: d}, d, nil
}
