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
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// snapshotName is the machine right after its first boot.
const snapshotName = "booted"

// keep leaves the folder of the run, until the next one.
var keep = flag.Bool("keep", false, "leave disk and console of the run in the cache")

// shared is what all tests of a run have in common.
var shared struct {
	*lab
	// booted has the files of the machine after its first boot.
	booted machineFiles
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
	base, baseLock, err := cache.base(ctx)
	if err != nil {
		return 1, err
	}
	defer baseLock.Close()
	since("base", begin)
	work, workLock, err := cache.run()
	if err != nil {
		return 1, err
	}
	defer workLock.Close()
	if !*keep {
		defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	}
	begin = time.Now()
	if shared.lab, err = newLab(ctx, work, base); err != nil {
		return 1, err
	}
	defer shared.lab.Close()
	since("releases and disk", begin)
	if err := filesIn(work).create(ctx, shared.diskPath()); err != nil {
		return 1, err
	}
	// From here on a signal ends the process, and with it the machine; the next
	// run removes what is left.
	stop()
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
	m := &machine{T: t, lab: shared.lab}
	t.Cleanup(func() {
		if m.emulator != nil {
			m.emulator.Close()
		}
		if t.Failed() {
			t.Logf("console:\n%s", m.consoleTail())
		}
		since(t.Name(), begin)
	})
	if shared.booted == (machineFiles{}) {
		m.firstBoot()
	}
	m.start()
	return m
}

// firstBoot makes the snapshot.
func (m *machine) firstBoot() {
	m.Helper()
	var err error
	if m.emulator, err = startEmulator(m.Context(), m.work, ""); err != nil {
		m.Fatal(err)
	}
	m.awaitBoot(runningVersion)
	if err := m.snapshot(snapshotName); err != nil {
		m.Fatal(err)
	}
	booted := filepath.Join(m.work, snapshotName)
	if err := os.Mkdir(booted, 0o755); err != nil {
		m.Fatal(err)
	}
	if err := filesIn(m.work).copyTo(m.Context(), filesIn(booted)); err != nil {
		m.Fatal(err)
	}
	m.emulator, shared.booted = nil, filesIn(booted)
}

// start brings the machine to where it was after its first boot.
func (m *machine) start() {
	m.Helper()
	if m.emulator != nil {
		m.emulator.Close()
	}
	err := shared.booted.copyTo(m.Context(), filesIn(m.work))
	if err == nil {
		m.emulator, err = startEmulator(m.Context(), m.work, snapshotName)
	}
	if err != nil {
		m.Fatal(err)
	}
	// The clock has stood still.
	m.run("date", "--set=@"+strconv.FormatInt(time.Now().Unix(), 10))
}
