// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"
)

// handshakeLimit bounds the authentication and Hello, which the library does
// without any limit of its own.
const handshakeLimit = 10 * time.Second

// connection is one connection to the bus.
type connection struct {
	*dbus.Conn
	socket net.Conn
	// names tells who leaves the bus; nil on a client's connection.
	names *nameWatch
}

// Connect connects a program to the bus at address, for what it asks of other
// services than this one. The connection is guarded as a Client's is: it takes
// no descriptors, and no message that is too long or cannot be decoded. Signals
// come in their order and wait until they are read.
func Connect(ctx context.Context, address string) (*dbus.Conn, error) {
	bus, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	return bus.Conn, nil
}

// connect is what every program does that is not the service.
func connect(ctx context.Context, address string) (*connection, error) {
	bus, err := dial(ctx, address, dbus.NewSequentialSignalHandler())
	if err != nil {
		return nil, err
	}
	if err := bus.handshake(ctx); err != nil {
		bus.close()
		return nil, err
	}
	return bus, nil
}

// dial reaches the bus but says nothing yet, so that everything can be exported
// before the first message can arrive.
func dial(ctx context.Context, address string, signals dbus.SignalHandler) (*connection, error) {
	socket, err := dialSocket(ctx, address)
	if err != nil {
		return nil, err
	}
	conn, err := dbus.NewConn(newBoundedConn(socket), dbus.WithSignalHandler(signals))
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return &connection{Conn: conn, socket: socket}, nil
}

func dialSocket(ctx context.Context, address string) (*net.UnixConn, error) {
	path, err := socketPath(address)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	return socket.(*net.UnixConn), nil //nolint:errcheck // what "unix" stands for
}

// handshake authenticates as the user that runs this program and gets a unique
// name.
func (c *connection) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.socket.Close() })
	defer stop()
	uid := strconv.Itoa(os.Geteuid())
	if err := c.Auth([]dbus.Auth{dbus.AuthExternal(uid)}); err != nil {
		return fmt.Errorf("%w: authentication: %w", ErrNoBus, err)
	}
	if err := c.Hello(); err != nil {
		return fmt.Errorf("%w: hello: %w", ErrNoBus, err)
	}
	return nil
}

// callBus calls a method of the bus itself and stores the one result.
func (c *connection) callBus(ctx context.Context, member string, result any, args ...any) error {
	return c.BusObject().CallWithContext(ctx, busInterface+"."+member, 0, args...).Store(result)
}

// close ends the connection. The socket goes first: closing the library's side
// waits for a write that is under way.
func (c *connection) close() {
	_ = c.socket.Close() // nothing is left to be said on it
	_ = c.Close()
}
