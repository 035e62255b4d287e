// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/clipos/updater/cmd/internal/stamp"
	"github.com/clipos/updater/cmd/updaterd/internal/metrics"
	"github.com/clipos/updater/daemon"
)

// metricsName is the FileDescriptorName= of updaterd-metrics.socket.
const metricsName = "metrics"

// serveMetrics has the daemon tell its metrics on the sockets; without one there
// are none. What it returns ends that.
func serveMetrics(ctx context.Context, d *daemon.Daemon, sockets []net.Listener, log *slog.Logger) (stop func()) {
	if len(sockets) == 0 {
		return func() {}
	}
	m := metrics.New(stamp.Version(version))
	d.Attach(m)
	// Till the very end: how the last job ends is to be seen.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var served sync.WaitGroup
	served.Go(func() { m.Serve(ctx, log, sockets...) })
	return func() {
		cancel()
		served.Wait()
	}
}

// inherited returns the sockets of the service manager that metrics may be
// served on. Another one is a mistake in a unit, which keeps no daemon from its
// work. Call it first: until then every program that is started inherits them
// too.
func inherited(log *slog.Logger) (listeners []net.Listener) {
	for _, f := range activation.Files(true) {
		l, err := listener(f)
		f.Close() //nolint:errcheck // the listener has a copy, or nobody wants it
		if err != nil {
			log.Error("inherited socket not used", "name", f.Name(), "error", err)
			continue
		}
		listeners = append(listeners, l)
	}
	return listeners
}

func listener(f *os.File) (net.Listener, error) {
	if f.Name() != metricsName {
		return nil, fmt.Errorf("FileDescriptorName=%s is needed", metricsName)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	if err := metrics.CheckLocal(l); err != nil {
		l.Close() //nolint:errcheck // never used
		return nil, err
	}
	return l, nil
}
