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
	"strconv"
	"syscall"
	"testing"
	"time"
)

// keep leaves the folder of the run, until the next one.
var keep = flag.Bool("keep", false, "leave disk and console of the run in the cache")

// shared is what all tests of a run have in common.
var shared struct {
	*lab
	hypervisor
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
	if shared.hypervisor, err = newHypervisor(ctx, work); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, shared.hypervisor.Close()) }()
	begin = time.Now()
	if shared.lab, err = newLab(ctx, work, base, shared.network()); err != nil {
		return 1, err
	}
	defer shared.lab.Close()
	since("releases and disk", begin)
	if err := shared.prepare(ctx, shared.lab); err != nil {
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
	m := newMachine(t)
	m.start()
	return m
}

// newMachine returns one that is off, and switches it off when the test ends.
func newMachine(t *testing.T) *machine {
	t.Helper()
	begin := time.Now()
	m := &machine{T: t, lab: shared.lab}
	t.Cleanup(func() {
		m.stop()
		since(t.Name(), begin)
	})
	return m
}

// start brings the machine to where it was after its first boot.
func (m *machine) start() {
	m.Helper()
	m.stop()
	shared.start(m)
	// The clock may have stood still.
	m.run("date", "--set=@"+strconv.FormatInt(time.Now().Unix(), 10))
}

// stop switches the machine off.
func (m *machine) stop() {
	if m.running == nil {
		return
	}
	if m.Failed() {
		m.Logf("console:\n%s", m.consoleTail())
	}
	if err := m.running.Close(); err != nil {
		m.Error(err)
	}
	m.running = nil
}
