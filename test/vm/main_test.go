// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// snapshotName is the machine right after its first boot.
const snapshotName = "booted"

// keep leaves the folder of the run, until the next one.
var keep = flag.Bool("keep", false, "leave disk and console of the run in the cache")

// shared is the one machine of a run.
var shared struct {
	*lab
	*emulator
	booted bool // there is a snapshot
}

func TestMain(m *testing.M) {
	// The processes we start die with the thread that started them.
	runtime.LockOSThread()
	flag.Parse()
	status, err := runAll(m)
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		status = 1
	}
	os.Exit(status)
}

func runAll(m *testing.M) (status int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	begin := time.Now()
	cache, err := openCache()
	if err != nil {
		return 1, err
	}
	defer cache.Close()
	base, err := cache.base(ctx)
	if err != nil {
		return 1, err
	}
	since("base", begin)
	work, err := os.MkdirTemp(cache.dir, "run-")
	if err != nil {
		return 1, err
	}
	if !*keep {
		defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	}
	begin = time.Now()
	if shared.lab, err = newLab(ctx, work, base); err != nil {
		return 1, err
	}
	defer shared.lab.Close()
	since("releases and disk", begin)
	if shared.emulator, err = startEmulator(ctx, work, shared.diskPath()); err != nil {
		return 1, err
	}
	defer shared.emulator.Close()
	return m.Run(), nil
}

// since prints how long something took.
func since(what string, begin time.Time) {
	fmt.Printf("%-50s %5.1f s\n", what, time.Since(begin).Seconds())
}

// scenario gives a test the machine as it was right after its first boot,
// and prints how long the test took.
func scenario(t *testing.T) *machine {
	t.Helper()
	begin := time.Now()
	m := &machine{t, shared.lab, shared.emulator}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console:\n%s", m.consoleTail())
		}
		since(t.Name(), begin)
	})
	if shared.booted {
		if err := m.restore(snapshotName); err != nil {
			t.Fatal(err)
		}
		m.setClock()
		return m
	}
	m.awaitBoot(runningVersion)
	if err := m.snapshot(snapshotName); err != nil {
		t.Fatal(err)
	}
	shared.booted = true
	since("first boot", begin)
	return m
}
