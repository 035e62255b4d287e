// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/updater"
)

// What a flood of calls costs the service, measured in a process of its own.

const (
	// maxServiceBytes is what a flood may make of the service, at most.
	maxServiceBytes = 128 << 20

	floodBusVariable = "UPDATER_TEST_FLOOD_BUS"
)

func TestMemoryInAFlood(t *testing.T) {
	// 60 KiB on the bus, a megabyte once decoded.
	costly := dict{"x": dbus.MakeVariant(slices.Repeat([]dbus.Variant{dbus.MakeVariant(byte(1))}, 15_000))}
	for name, c := range map[string]struct {
		calls  int
		method string
		args   []any
		// answers are the error names that may come, "" for success.
		answers []string
	}{
		"small":   {1000, "ListVersions", nil, []string{"", "LimitsExceeded"}},
		"64 KiB":  {1000, "ForgetFailure", []any{strings.Repeat("x", 65_000)}, []string{"", "LimitsExceeded"}},
		"lists":   {20, "Check", []any{costly}, []string{"InvalidArgs", "LimitsExceeded"}},
		"unknown": {20, "Explode", []any{costly}, []string{"UnknownMethod"}},
	} {
		t.Run(name, func(t *testing.T) {
			bus := dbustest.Start(t)
			end := serveElsewhere(t, bus)
			flood(t, bus, c.calls, c.method, c.args, c.answers)
			if n := end(); n > maxServiceBytes {
				t.Errorf("%d MiB", n>>20)
			}
		})
	}
}

// flood makes calls from ten connections at once, and wants an answer to each.
func flood(t *testing.T, bus *dbustest.Bus, calls int, method string, args []any, answers []string) {
	t.Helper()
	const connections = 10 // a connection waits for 128 replies at most (dbus-daemon(1), max_replies_per_connection)
	done := make(chan *dbus.Call, calls)
	for range connections {
		object := rawConn(t, bus).Object(BusName, Path)
		go func() {
			for range calls / connections {
				object.Go(Interface+"."+method, 0, done, args...)
			}
		}()
	}
	for range calls {
		call := <-done
		name := ""
		if call.Err != nil {
			name = shortName(errorNameOf(t, call.Err))
		}
		if !slices.Contains(answers, name) {
			t.Fatalf("%s: %v", method, call.Err)
		}
	}
}

// serveElsewhere starts a service in another process; end ends it and returns
// how much memory it has taken from the system.
func serveElsewhere(t *testing.T, bus *dbustest.Bus) (end func() uint64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServeElsewhere$")
	child.Env = append(os.Environ(), floodBusVariable+"="+bus.Address)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	output := bufio.NewReader(stdout)
	if line, err := output.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q %v", line, err)
	}
	return func() (taken uint64) {
		stdin.Close()
		line, err := output.ReadString('\n')
		if _, scanErr := fmt.Sscanf(line, "taken %d", &taken); scanErr != nil {
			t.Fatalf("%q %v", line, err)
		}
		t.Log(line)
		_, _ = io.Copy(io.Discard, output)
		if err := child.Wait(); err != nil {
			t.Error(err)
		}
		return taken
	}
}

// TestServeElsewhere is no test but the process that serveElsewhere starts. Its
// controller is busy with each ListVersions until the call's time is over.
func TestServeElsewhere(t *testing.T) {
	address := os.Getenv(floodBusVariable)
	if address == "" {
		return
	}
	c := &fakeController{list: func(ctx context.Context) ([]updater.Installed, error) {
		<-ctx.Done()
		return nil, nil
	}}
	s := New(Options{Address: address, Log: slog.New(slog.DiscardHandler)}, c)
	s.calls.limit = time.Second
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx, func() { fmt.Println("ready") }) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Error(err)
	}
	// What was taken from the system, which is never less than the most that
	// was ever used; without what the race detector adds.
	fmt.Printf("taken %d, resident at most: %s\n", stats.Sys, regexp.MustCompile(`VmHWM:.*`).Find(status))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
