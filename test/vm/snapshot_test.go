// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// snapshotName is the machine right after its first boot.
const snapshotName = "booted"

// qemu runs the machine as a process of ours.
type qemu struct {
	work string
	// booted: the files of the machine after its first boot are there.
	booted bool
}

// booted are the files of the machine after its first boot.
func (l *lab) booted() machineFiles { return filesIn(filepath.Join(l.work, snapshotName)) }

func (q *qemu) Close() error { return nil }

// network is QEMU's own: the guest reaches the host's loopback interface.
func (q *qemu) network() network { return network{host: "10.0.2.2", listen: "127.0.0.1"} }

func (q *qemu) prepare(ctx context.Context, l *lab) error {
	return filesIn(q.work).create(ctx, l.diskPath())
}

func (q *qemu) start(m *machine) {
	m.Helper()
	if !q.booted {
		q.firstBoot(m)
	}
	err := m.booted().copyTo(m.Context(), filesIn(q.work))
	if err == nil {
		m.running, err = startEmulator(m.Context(), q.work, snapshotName)
	}
	if err != nil {
		m.Fatal(err)
	}
}

// firstBoot makes the snapshot.
func (q *qemu) firstBoot(m *machine) {
	m.Helper()
	e, err := startEmulator(m.Context(), q.work, "")
	if err != nil {
		m.Fatal(err)
	}
	m.running = e
	m.awaitBoot(runningVersion)
	err = errors.Join(
		os.Mkdir(filepath.Join(q.work, snapshotName), 0o755),
		e.snapshot(snapshotName),
		filesIn(q.work).copyTo(m.Context(), m.booted()),
	)
	if err != nil {
		m.Fatal(err)
	}
	m.running, q.booted = nil, true
}
