// SPDX-License-Identifier: LGPL-2.1-or-later

// Package guest is what the host and the agent inside a test machine say to
// each other over a virtio-serial port or an SSH session.
//
// Both directions are lines. The agent begins with a line of its own for each
// boot, Hello and the boot's name; from then on it answers JSON-RPC, see
// net/rpc/jsonrpc, whose messages are a line each too. Whatever a reset has cut
// off ends at the next Hello, which therefore starts with an empty line.
//
// The agent is a root shell without a password: it belongs into images of test
// machines and nowhere else.
package guest

const (
	// Port is the name of the virtio-serial port.
	Port = "org.clipos.updater.test"
	// Hello is the first word of the agent's line, its boot ID the second.
	Hello = "hello"
	// RunMethod is the only method: [Command] to [Result].
	RunMethod = "Agent.Run"
)

// Command is a program to run, with what it reads.
type Command struct {
	Args  []string
	Stdin []byte
}

// Result is how a program ended, 127 when it could not be started, and what it
// printed.
type Result struct {
	Status         int
	Stdout, Stderr []byte
}
