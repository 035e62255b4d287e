// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/url"
	"testing"
)

// machineKind chooses the hypervisor.
var machineKind = flag.String("machine", "qemu", "what runs the machine: qemu, or vagrant with libvirt")

// hypervisor is what runs the machine.
type hypervisor interface {
	io.Closer
	network() network
	// prepare takes over the disk of a lab.
	prepare(context.Context, *lab) error
	// start brings a machine that is off to where it was after its first boot.
	start(*machine)
}

// network is where the guest finds the host, where the host listens for it, and
// whether the agent is to be found by SSH.
type network struct {
	host, listen string
	ssh          bool
}

// running is a machine that is on; closing it switches it off.
type running interface {
	io.Closer
	guest() *link
	// reset is the button.
	reset() error
	// resets counts how often the machine began from its firmware.
	resets() int64
	// console is the file with what the machine has printed.
	console() string
}

func newHypervisor(ctx context.Context, work string) (hypervisor, error) {
	switch *machineKind {
	case "qemu":
		return &qemu{work: work}, nil
	case "vagrant":
		return newVagrant(ctx, work)
	}
	return nil, fmt.Errorf("-machine %s: neither qemu nor vagrant", *machineKind)
}

// needsQEMU skips a test that does with QEMU what libvirt cannot.
func needsQEMU(t *testing.T) {
	t.Helper()
	if *machineKind != "qemu" {
		t.Skip("with -machine qemu only")
	}
}

func portOf(address string) string {
	u, _ := url.Parse(address) // the server's own
	return u.Port()
}
