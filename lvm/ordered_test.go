// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/lvm/lvmtest"
	"golang.org/x/sys/unix"
)

// area is the beginning of a physical volume, with all of LVM's metadata.
func area(root string) ([]byte, error) {
	f, err := os.Open(filepath.Join(root, "var/lib/lvmroot/mainvg.img"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content := make([]byte, 1<<20)
	_, err = f.ReadAt(content, 0)
	return content, err
}

// engines are the ways in which LVM writes to a device, as lines of lvm.conf.
// It takes the second one by itself where the kernel has no asynchronous I/O, or
// others have used it up (fs.aio-max-nr).
var engines = map[string]string{
	"asynchronous": "global { use_aio = 1 }",
	"synchronous":  "global { use_aio = 0 }",
}

// engineGroup is a new group in whose root folder LVM writes that way.
func engineGroup(t *testing.T, setting string) (root string) {
	t.Helper()
	root = lvmtest.NewGroup(t, "mainvg", 16<<20)
	conf, err := os.OpenFile(filepath.Join(root, "etc/lvm/lvm.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = conf.WriteString(setting + "\n")
		err = errors.Join(err, conf.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func eachEngine(t *testing.T, test func(t *testing.T, setting string)) {
	t.Helper()
	for name, setting := range engines {
		t.Run(name, func(t *testing.T) { test(t, setting) })
	}
}

// headerBytes is where the text of the metadata begins: behind the label and
// the header of the area, which are 4096 and 512 bytes.
const headerBytes = 4608

// LVM's text is on the drive before the header that points to it.
func TestOrdered(t *testing.T) { eachEngine(t, testOrdered) }

func testOrdered(t *testing.T, engine string) {
	root := engineGroup(t, engine)
	g := lvm.NewGroup("mainvg", 4<<20, root)
	if err := g.Create(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	var flushed [][]byte
	flush := func() error {
		content, err := area(root)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(flushed, func(f []byte) bool { return bytes.Equal(f, content) }) {
			flushed = append(flushed, content)
		}
		return nil
	}
	if err := g.Change(t.Context(), flush, "lvrename", "--autobackup=n", "--", "mainvg", "one", "two"); err != nil {
		t.Fatal(err)
	}
	if err := flush(); err != nil {
		t.Fatal(err)
	}
	// Before the text, before the header that announces it, before the one that
	// commits it, and the result.
	if len(flushed) != 4 {
		t.Fatalf("%d different contents were flushed, want 4", len(flushed))
	}
	before, text := flushed[0], flushed[1]
	if !bytes.Equal(text[:headerBytes], before[:headerBytes]) || !bytes.Contains(text[headerBytes:], []byte("\ntwo {\n")) {
		t.Error("the text was not flushed by itself")
	}
	if !bytes.Equal(flushed[2][headerBytes:], text[headerBytes:]) || bytes.Equal(flushed[2][:headerBytes], text[:headerBytes]) {
		t.Error("something else than the header was written behind the text")
	}
}

// The real tool gives no reason for a warning, whichever way it writes.
func TestOrderedAreHeld(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		t.Helper()
		g := lvm.NewGroup("mainvg", 4<<20, engineGroup(t, engine))
		if err := errors.Join(g.Create(t.Context(), "one"), g.Rename(t.Context(), "one", "two")); err != nil {
			t.Fatal(err)
		}
		if got := g.Warnings(); len(got) > 0 {
			t.Errorf("warnings %q", got)
		}
	})
}

// inherited is how many filters this process was started with.
var inherited = func() int {
	n, err := filters("/proc/self/status")
	if err != nil {
		panic(err)
	}
	return n
}()

// Changes leave no thread of this process with a filter: nobody answers it
// afterwards. The first thread matters most, which lives as long as the process.
func TestOrderedLeavesNoFilter(t *testing.T) {
	g := lvm.NewGroup("mainvg", 4<<20, engineGroup(t, engines["synchronous"]))
	if err := g.Create(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	from, to := "one", "two"
	for range 8 {
		if err := g.Rename(t.Context(), from, to); err != nil {
			t.Fatal(err)
		}
		from, to = to, from
	}
	// A thread that has done its work takes a moment to end.
	for until := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		left := filtered(t)
		if len(left) == 0 {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%q have kept their filter", left)
		}
	}
}

// filtered are the threads of this process that have a filter of ours.
func filtered(t *testing.T) (with []string) {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		n, err := filters(thread)
		if errors.Is(err, unix.ESRCH) || errors.Is(err, os.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		if n > inherited {
			with = append(with, thread)
		}
	}
	return with
}

// filters is how many seccomp filters a thread has.
func filters(thread string) (int, error) {
	status, err := os.ReadFile(thread)
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "\nSeccomp_filters:")
	number, _, _ := strings.Cut(rest, "\n")
	return strconv.Atoi(strings.TrimSpace(number))
}

// A drive that cannot be flushed fails the change, and the group is what it was
// before or what it was to become.
func TestOrderedFlushFails(t *testing.T) { eachEngine(t, testOrderedFlushFails) }

func testOrderedFlushFails(t *testing.T, engine string) {
	broken := errors.New("broken")
	failed := 0
	for survives := range 40 {
		root := engineGroup(t, engine)
		g := lvm.NewGroup("mainvg", 4<<20, root)
		if err := g.Create(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		flushes := 0
		err := g.Change(t.Context(), func() error {
			if flushes++; flushes > survives {
				return broken
			}
			return nil
		}, "lvrename", "--autobackup=n", "--", "mainvg", "one", "two")
		names := strings.Fields(lvmtest.LVM(t, root, "lvs", "--noheadings", "--options", "lv_name", "mainvg"))
		if err == nil {
			if !slices.Equal(names, []string{"two"}) {
				t.Fatalf("volumes %q", names)
			}
			if failed < 3 {
				t.Errorf("only %d flushes", failed)
			}
			return
		}
		failed++
		if !slices.Equal(names, []string{"one"}) {
			t.Errorf("flush %d: %v, volumes %q", survives, err, names)
		}
	}
	t.Error("the change never succeeds")
}

// longWrites is set for TestLongWritesHelper.
const longWrites = "TEST_LONG_WRITES"

// TestLongWritesHelper is the process that TestOrderedLongWrites starts. Where
// package testing keeps a log of the files that were opened, as it does when the
// result may be cached, whoever starts a program adds to it, and writes it out
// when it is long.
func TestLongWritesHelper(t *testing.T) {
	if os.Getenv(longWrites) == "" {
		return // it was not TestOrderedLongWrites that started it
	}
	for range 300 {
		err := lvm.RunOrdered(exec.CommandContext(t.Context(), "/bin/true"), func() error {
			_, err := os.Stat("/") // which is in that log too
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The thread that starts the program has its filter and may write itself: that
// is answered too, and not by waiting for what it holds.
func TestOrderedLongWrites(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	log := filepath.Join(t.TempDir(), "log")
	helper := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestLongWritesHelper$", "-test.testlogfile="+log)
	helper.Env = append(os.Environ(), longWrites+"=1")
	if output, err := helper.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if info, err := os.Stat(log); err != nil || info.Size() < 2*4096 {
		t.Errorf("%v, %v: nothing long was written", info, err)
	}
}

// dyingRoot names the root folder for TestDyingHelper, dyingAfter how many
// flushes it survives.
const dyingRoot, dyingAfter = "TEST_DYING_ROOT", "TEST_DYING_AFTER"

// TestDyingHelper is the process that TestOrderedDies starts.
func TestDyingHelper(t *testing.T) {
	root := os.Getenv(dyingRoot)
	if root == "" {
		return // it was not TestOrderedDies that started it
	}
	left, err := strconv.Atoi(os.Getenv(dyingAfter))
	if err != nil {
		t.Fatal(err)
	}
	err = lvm.NewGroup("mainvg", 4<<20, root).Change(t.Context(), func() error {
		if left--; left < 0 {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		}
		return nil
	}, "lvrename", "--autobackup=n", "--", "mainvg", "one", "two")
	if err != nil {
		t.Fatal(err)
	}
}

// A process that is killed while it holds a write leaves the group as it was.
func TestOrderedDies(t *testing.T) { eachEngine(t, testOrderedDies) }

func testOrderedDies(t *testing.T, engine string) {
	died := 0
	for ; ; died++ {
		root := engineGroup(t, engine)
		lvmtest.LVM(t, root, "lvcreate", "--size=4m", "--name=one", "mainvg")
		helper := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDyingHelper$")
		helper.Env = append(os.Environ(), dyingRoot+"="+root, dyingAfter+"="+strconv.Itoa(died))
		err := helper.Run()
		// It waits for the tool, which outlives the helper.
		names := strings.Fields(lvmtest.LVM(t, root, "lvs", "--noheadings", "--options", "lv_name", "mainvg"))
		if err == nil {
			if !slices.Equal(names, []string{"two"}) {
				t.Errorf("volumes %q", names)
			}
			break
		}
		if !slices.Equal(names, []string{"one"}) && !slices.Equal(names, []string{"two"}) {
			t.Errorf("killed at flush %d: volumes %q", died, names)
		}
	}
	if died < 3 {
		t.Errorf("only %d flushes", died)
	}
}
