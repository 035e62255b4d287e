// SPDX-License-Identifier: LGPL-2.1-or-later

// Package test runs the real programs, in systems that are folders.
package test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
)

// What the scripts have at hand: programs and releases, made once.
var programs, webroot string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "updater-script-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		programs, webroot = filepath.Join(dir, "bin"), filepath.Join(dir, "www")
		if err := prepare(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func prepare(ctx context.Context) error {
	if err := machine.BuildPrograms(ctx, programs, true); err != nil {
		return err
	}
	for _, v := range []string{"5.0.0-alpha.0", "5.0.0-alpha.1", "5.0.0-alpha.2", "5.0.0-alpha.4", "5.0.0-alpha.3"} {
		if _, err := release.Build(ctx, webroot, release.Options{Version: v, SizeBytes: 64 << 10, SharedBytes: 192 << 10, NoErrorCorrection: true}); err != nil {
			return err
		}
	}
	return nil
}

// What is tested is not part of the test's own program.
func TestSources(t *testing.T) {
	if err := machine.LookAtSources(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", programs+":/usr/sbin:/usr/bin:/sbin:/bin")
			env.Setenv("ROOT", filepath.Join(env.WorkDir, "root"))
			env.Values["fetcher"] = new(atomic.Pointer[activator])
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"system":        makeSystem,
			"payloads":      makePayloads,
			"published":     makePublished,
			"serve-release": serveRelease,
			"serve":         serve,
			"fetcher":       fetcher,
			"bus":           startBus(t),
			"until":         until,
			"holds":         holds,
			"refused":       refused,
			"signal":        signal,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// makeSystem makes a machine in $ROOT: system RUNNING [OTHER...].
func makeSystem(ts *testscript.TestScript, _ bool, versions []string) {
	ts.Check(machine.New(ts.Getenv("ROOT"), webroot, versions...))
}

// serve starts the update server of the machine in $ROOT. With "stuck" it
// sends half of the first core image that is asked for, and then nothing. With
// "compact" its files are the script's own, in www, and have a patch from
// 5.0.0-alpha.1 and a compressed image for 5.0.0-alpha.3.
func serve(ts *testscript.TestScript, _ bool, how []string) {
	handler := tlsserver.Files(webroot)
	if slices.Contains(how, "compact") {
		ts.Check(publishCompact(ts.MkAbs("www")))
		handler = tlsserver.Files(ts.MkAbs("www"))
	}
	if slices.Contains(how, "stuck") {
		handler = tlsserver.StuckOnce(handler, "-core", 100<<10)
	}
	stop, err := startServer(ts.Getenv("ROOT"), handler)
	ts.Check(err)
	ts.Defer(func() { ts.Check(stop()) })
}

func publishCompact(dir string) error {
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(webroot))); err != nil {
		return err
	}
	ctx, key, r := context.Background(), release.PublishedKey(), release.At(dir, "clipos", "5.0.0-alpha.3")
	return errors.Join(r.PatchFrom(ctx, release.At(dir, "clipos", "5.0.0-alpha.1"), key, nil), r.Compress(ctx, key))
}

func startServer(root string, handler http.Handler) (stop func() error, err error) {
	server, err := tlsserver.Start(context.Background(), tlsserver.Options{Handler: handler})
	if err != nil {
		return nil, err
	}
	return server.Close, machine.Connect(root, server)
}

// startBus starts a message bus of the script's own at $BUS. It ends with the
// test t.
func startBus(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		ts.Setenv("BUS", dbustest.Start(t).Address)
	}
}

// until runs a program again and again until it succeeds, for half a minute.
func until(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if (err == nil) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("waited in vain for %q: %v", args, err)
		}
	}
}

// holds asserts that a folder has exactly these names: holds FOLDER [NAME...].
func holds(ts *testscript.TestScript, neg bool, args []string) {
	found, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	want := slices.Sorted(slices.Values(args[1:]))
	if slices.Equal(names, want) == neg {
		ts.Fatalf("%s holds %q, want %q", args[0], names, want)
	}
}

// signal sends a signal to the program started last in the background: signal
// TERM. What testscript's own kill knows is too little.
func signal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP}
	background := ts.BackgroundCmds()
	ts.Check(background[len(background)-1].Process.Signal(signals[args[0]]))
}

// refused runs updaterd --once on $ROOT, which must end with status 1 and one
// error line that has the name and the texts: refused NAME [TEXT...].
func refused(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("updaterd", "--root", ts.Getenv("ROOT"), "--once")
	var exit *exec.ExitError
	if err == nil {
		ts.Fatalf("updaterd --once succeeded")
	}
	if e, ok := err.(*exec.ExitError); ok { //nolint:errorlint // testscript returns it as it is
		exit = e
	}
	if exit == nil || exit.ExitCode() != 1 {
		ts.Fatalf("updaterd --once: %v, want exit status 1", err)
	}
	line, name, err := machine.ErrorLine(ts.ReadFile("stderr"))
	ts.Check(err)
	if name != args[0] {
		ts.Fatalf("%q, want one that ends in (%s)", line, args[0])
	}
	for _, text := range args[1:] {
		if !strings.Contains(line, text) {
			ts.Fatalf("%q is not in %q", text, line)
		}
	}
}
