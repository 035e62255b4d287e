// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/lvm/lvmtest"
	"golang.org/x/sys/unix"
)

// newGroup is a group with the volumes core_1 and core_2 and room for one more.
func newGroup(t *testing.T) (g *lvm.Group, root string) {
	t.Helper()
	root = lvmtest.NewGroup(t, "mainvg", 48<<20)
	for _, name := range []string{"core_1", "core_2"} {
		lvmtest.LVM(t, root, "lvcreate", "--size=12m", "--name="+name, "--", "mainvg")
	}
	return lvm.NewGroup("mainvg", 12<<20, root), root
}

// metadata is LVM's own text about the group.
func metadata(t *testing.T, root string) string {
	t.Helper()
	return lvmtest.LVM(t, root, "vgs", "--noheadings", "--options", "vg_seqno,lv_name,lv_uuid,seg_pe_ranges", "mainvg")
}

// node is a volume's block device, read the way any program would.
func node(t *testing.T, root, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "dev/mainvg", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestGroupMissing(t *testing.T) {
	_, root := newGroup(t)
	before := metadata(t, root)
	g := lvm.NewGroup("nogroup", 12<<20, root)
	_, surveyErr := g.Survey(t.Context())
	_, openErr := g.Open(t.Context(), "core_1")
	for what, err := range map[string]error{
		"Survey": surveyErr, "Open": openErr,
		"Create": g.Create(t.Context(), "core_3"), "Rename": g.Rename(t.Context(), "core_1", "core_3"),
	} {
		var e *lvm.CommandError
		if !errors.Is(err, lvm.ErrGroupNotFound) || !errors.As(err, &e) || e.ExitCode != 5 {
			t.Errorf("%s: %v, want %v and exit code 5", what, err, lvm.ErrGroupNotFound)
		}
	}
	if after := metadata(t, root); after != before {
		t.Errorf("metadata changed:\n%s\nbefore:\n%s", after, before)
	}
}

func TestGroupFull(t *testing.T) {
	g, root := newGroup(t)
	if err := g.Create(t.Context(), "core_3"); err != nil {
		t.Fatal(err)
	}
	before := metadata(t, root)
	if err := g.Create(t.Context(), "core_4"); !errors.Is(err, lvm.ErrNoSpace) {
		t.Errorf("%v, want %v", err, lvm.ErrNoSpace)
	}
	if after := metadata(t, root); after != before {
		t.Errorf("metadata changed:\n%s\nbefore:\n%s", after, before)
	}
}

func TestGroupSurvey(t *testing.T) {
	g, root := newGroup(t)
	device := strings.TrimSpace(lvmtest.LVM(t, root, "pvs", "--noheadings", "--options", "pv_name"))
	survey, err := g.Survey(t.Context())
	want := []lvm.Volume{{Name: "core_1", SizeBytes: 12 << 20}, {Name: "core_2", SizeBytes: 12 << 20}}
	if err != nil || !slices.Equal(survey.Volumes, want) || survey.FreeBytes != 20<<20 || survey.Sparse {
		t.Errorf("%+v, %v", survey, err)
	}
	if len(survey.Warnings) != 1 || !strings.Contains(survey.Warnings[0], "only once") {
		t.Errorf("warnings %q", survey.Warnings)
	}
	lvmtest.LVM(t, root, "pvchange", "--allocatable=n", device)
	survey, err = lvm.NewGroup("mainvg", 13<<20, root).Survey(t.Context())
	if err != nil || survey.FreeBytes != 0 || survey.NewSizeBytes != 16<<20 {
		t.Errorf("closed to allocation: %+v, %v", survey, err)
	}
}

// What an administrator may set for reports does not change ours. Absent is
// prefixes = 1, with which LVM's JSON is none: that is an error.
func TestGroupReportSettings(t *testing.T) {
	g, root := newGroup(t)
	want, err := g.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conf, err := os.OpenFile(filepath.Join(root, "etc/lvm/lvm.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conf.WriteString(`
		report { compact_output = 1 binary_values_as_numeric = 1 headings = 0 quoted = 0 output_format = "basic" }
		log { report_command_log = 1 }
		global { units = "g" suffix = 1 }
	`)
	if err := errors.Join(err, conf.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := g.Survey(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
}

func TestGroupTwoCopies(t *testing.T) {
	root := t.TempDir()
	lvmtest.AddGroup(t, root, "mainvg", 16<<20, "--pvmetadatacopies=2")
	survey, err := lvm.NewGroup("mainvg", 4<<20, root).Survey(t.Context())
	if err != nil || survey.Warnings != nil {
		t.Errorf("warnings %q, %v", survey.Warnings, err)
	}
}

// What is written through the device is in the volume's own extents, and
// nowhere else.
func TestGroupWritesItsOwnExtents(t *testing.T) {
	g, root := newGroup(t)
	before := node(t, root, "core_1")
	d, err := g.Open(t.Context(), "core_2")
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("core"), 3<<20)
	if _, err := d.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Flush(), d.Close()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(node(t, root, "core_2"), content) || !bytes.Equal(node(t, root, "core_1"), before) {
		t.Error("not what was written, or not where")
	}
}

// Loop devices know discarding: they punch holes into their file.
func TestGroupDiscards(t *testing.T) {
	g, root := newGroup(t)
	d, err := g.Open(t.Context(), "core_1")
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("core"), 3<<20)
	if _, err := d.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Flush(), d.Discard(4096), d.Close()); err != nil {
		t.Fatal(err)
	}
	clear(content[4096:])
	if !bytes.Equal(node(t, root, "core_1"), content) {
		t.Error("not discarded, or not that")
	}
}

func TestGroupActivates(t *testing.T) {
	g, root := newGroup(t)
	link := filepath.Join(root, "dev/mainvg/core_1")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if survey, err := g.Survey(t.Context()); err != nil || survey.Volumes[0].InUse {
		t.Errorf("inactive: %+v, %v", survey, err)
	}
	d, err := g.Open(t.Context(), "core_1")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(link); err != nil {
		t.Error(err)
	}
}

func TestGroupInUse(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		use          func(t *testing.T, device string)
	}{
		{"mounted", "mounted or claimed", func(t *testing.T, device string) {
			t.Helper()
			mkfs(t, device)
			lvmtest.Mount(t, device)
		}},
		{"opened exclusively by another process", "mounted or claimed", func(t *testing.T, device string) {
			t.Helper()
			f, err := os.OpenFile(device, os.O_RDONLY|unix.O_EXCL, 0)
			if err != nil {
				t.Fatal(err)
			}
			holdOpen(t, f)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, root := newGroup(t)
			c.use(t, filepath.Join(root, "dev/mainvg/core_1"))
			before := node(t, root, "core_1")
			_, err := g.Open(t.Context(), "core_1")
			if !errors.Is(err, lvm.ErrInUse) || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%v, want %v: %s", err, lvm.ErrInUse, c.reason)
			}
			if !bytes.Equal(node(t, root, "core_1"), before) {
				t.Error("contents changed")
			}
		})
	}
}

func TestGroupNodeIsNoDevice(t *testing.T) {
	g, root := newGroup(t)
	link := filepath.Join(root, "dev/mainvg/core_1")
	for what, replace := range map[string]func() error{
		"a file": func() error { return os.WriteFile(link, []byte("precious"), 0o600) },
		"a FIFO": func() error { return unix.Mkfifo(link, 0o600) },
	} {
		if err := errors.Join(os.Remove(link), replace()); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Open(t.Context(), "core_1"); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// Somebody else's lock on the group is waited for; giving up changes nothing.
func TestGroupLocked(t *testing.T) {
	g, root := newGroup(t)
	before := metadata(t, root)
	lock, err := os.OpenFile(filepath.Join(root, "run/lock/lvm/V_mainvg"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300e6)
	defer cancel()
	if err := g.Rename(ctx, "core_1", "core_3"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want %v", err, context.DeadlineExceeded)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if after := metadata(t, root); after != before {
		t.Errorf("metadata changed:\n%s\nbefore:\n%s", after, before)
	}
	if err := g.Rename(t.Context(), "core_1", "core_3"); err != nil {
		t.Error(err)
	}
}

func mkfs(t *testing.T, device string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), "mkfs.ext4", "-q", device).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4 (Debian's package e2fsprogs): %v\n%s", err, output)
	}
}

// holdOpen gives an open file to another process, which keeps it until the
// test ends, and closes it here.
func holdOpen(t *testing.T, f *os.File) {
	t.Helper()
	holder := exec.CommandContext(context.WithoutCancel(t.Context()), "sleep", "infinity")
	holder.Stdin = f
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = holder.Process.Kill(), holder.Wait() })
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
