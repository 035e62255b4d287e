// SPDX-License-Identifier: LGPL-2.1-or-later

// Package dbusapi is the wire: it puts the daemon on the message bus as
// org.clipos.Updater1 and gives programs a client for it.
//
// # Who takes part
//
// A [Service] owns the bus name [BusName] and one object, [Path]. Commands come
// in as method calls, are authorised, and go down to a [Controller]; what
// happens there comes back through [Service.Publish] (properties) and
// [Service.Emit] (signals), neither of which ever waits for the bus. A [Client]
// is the other end: updaterctl and the desktop use it.
//
// The interface itself is described, member by member, in
// org.clipos.Updater1.xml beside this file; that file is what Introspect
// answers, and a test holds it to the code.
//
// # Order
//
// For each connection: dial, export, authenticate, own the name. Nothing is
// exported late, because a message may arrive as soon as the bus knows the
// connection, and nobody is told "ready" before the name is owned. When the bus
// goes away, jobs go on; the service dials again until the bus is back and then
// says what it could not say meanwhile.
//
// # Threat
//
// Any local user may send this root process any message the bus lets through.
// So descriptors are never negotiated, messages over 64 KiB and messages that
// the library cannot decode are dropped before it sees them, signals from
// others are ignored, handlers are bounded in number, of each user and of all
// but root, and in time, and a panic in one is an answer, not an end. Who a caller is, is asked of the bus, and what
// it may do, of polkit; the process id is never used, it may belong to somebody
// else a moment later. Root may do everything; without polkit, or with anything
// but a clear yes from it, nobody else may do anything but read. A call that
// waits until a person has been asked waits apart from the others, few of each
// user, and is forgotten when its caller leaves; what is done after that is what
// the message said.
//
// Text that came from outside (a server, a file name) reaches the bus cut to
// [maxTextBytes] and as valid UTF-8: the bus disconnects a sender of anything
// else.
package dbusapi

// The names of the service on the bus.
const (
	BusName   = "org.clipos.Updater1"
	Path      = "/org/clipos/Updater1"
	Interface = "org.clipos.Updater1"
)

// Names of the bus itself and of the interfaces every object has, as the D-Bus
// Specification gives them.
const (
	busInterface            = "org.freedesktop.DBus"
	propertiesInterface     = "org.freedesktop.DBus.Properties"
	introspectableInterface = "org.freedesktop.DBus.Introspectable"
	peerInterface           = "org.freedesktop.DBus.Peer"
	standardErrorPrefix     = "org.freedesktop.DBus.Error."
	errorPrefix             = Interface + ".Error."
)
