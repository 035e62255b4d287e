// SPDX-License-Identifier: LGPL-2.1-or-later

// Package attacks attacks the real programs: what docs/security.md says they
// withstand is tried here, on a real TLS server, real files, volumes and
// mounts, and a real message bus.
//
// # How an attack is judged
//
// A victim is a machine in a folder, with a running version and a fallback. An
// attack on it must end in exactly the error that the table says. Then every
// file of the machine, volumes, boot entries, loader variables, /run and state
// among them, must be what it was: content, mode, owner, links and time of
// change. Excepted are the cache and what a check records. The program may not
// have used more memory than maxMemoryBytes. At the end of each test the
// honest server is back, and the update must come through: an attack leaves
// nothing behind that is in the way.
//
// The programs are built as they are shipped, without the race detector: their
// memory is measured. Other tests run the same programs with it.
//
// # How many
//
// Every attack is counted. The number is in docs/security.md, and a run of the
// whole package fails when it is another; with -update it is written there.
package attacks

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/release"
)

// What all tests have at hand, made once: programs, an honest server's files,
// those of one whose command lines are systemd's, and those of the first with
// a patch and a compressed image beside them.
var programs, webroot, systemdWebroot, compactWebroot string

// tried counts the attacks and bad inputs.
var tried atomic.Int64

// The versions of an honest server. The newest is offered; the others are what
// machines run and have run.
const (
	running  = "5.0.0-alpha.1"
	fallback = "5.0.0-alpha.0"
	offered  = "5.0.0-alpha.3"
)

// parallel is how many tests run at once whatever the number of processors:
// many do nothing but wait until the program asks the server again.
const parallel = "64"

func TestMain(m *testing.M) {
	update := flag.Bool("update", false, "write the number of attacks to docs/security.md")
	flag.Parse()
	if err := flag.Set("test.parallel", parallel); err != nil {
		panic(err)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "updater-attacks-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if err := prepare(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		status := m.Run()
		fmt.Printf("%d attacks and bad inputs tried\n", tried.Load())
		if status == 0 && isWholeRun() {
			err = compareNumber(tried.Load(), *update)
		}
		if err != nil {
			fmt.Println("FAIL:", err)
			return 1
		}
		return status
	}())
}

// isWholeRun tells whether every test ran, and once.
func isWholeRun() bool {
	for name, whole := range map[string]string{"run": "", "skip": "", "list": "", "count": "1"} {
		if flag.Lookup("test."+name).Value.String() != whole {
			return false
		}
	}
	return true
}

func prepare(ctx context.Context, dir string) error {
	programs = filepath.Join(dir, "bin")
	webroot, systemdWebroot = filepath.Join(dir, "www"), filepath.Join(dir, "systemd")
	// Other users run the client, and enter a machine's root.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := machine.BuildPrograms(ctx, programs, false); err != nil {
		return err
	}
	for _, v := range []string{fallback, running, "5.0.0-alpha.2", offered} {
		if _, err := release.Build(ctx, webroot, release.Options{Version: v, SizeBytes: 64 << 10, SharedBytes: 192 << 10}); err != nil {
			return err
		}
	}
	if err := prepareCompact(ctx, filepath.Join(dir, "compact")); err != nil {
		return err
	}
	_, err := release.Build(ctx, systemdWebroot, release.Options{Version: offered, Style: release.StyleSystemd})
	return err
}

func prepareCompact(ctx context.Context, dir string) error {
	compactWebroot = dir
	if err := os.CopyFS(dir, os.DirFS(webroot)); err != nil {
		return err
	}
	r := release.At(dir, "clipos", offered)
	err := r.PatchFrom(ctx, release.At(dir, "clipos", running), release.PublishedKey(), nil)
	return errors.Join(err, r.Compress(ctx, release.PublishedKey()))
}

// What is tested is not part of the test's own program.
func TestSources(t *testing.T) {
	if err := machine.LookAtSources(t.Context()); err != nil {
		t.Fatal(err)
	}
}
