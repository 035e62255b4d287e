// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// transcript is a fake lvm tool: it keeps the command lines and answers
// reports, of which the last is repeated.
type transcript struct {
	reports []string
	lines   []string
	// changed is called for every other command.
	changed func(ctx context.Context) error
}

func (f *transcript) run(ctx context.Context, _ func() error, args ...string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if args[0] == "fullreport" {
		f.lines = append(f.lines, "report")
		report := f.reports[0]
		f.reports = f.reports[min(1, len(f.reports)-1):]
		return []byte(report), nil
	}
	f.lines = append(f.lines, strings.Join(args, " "))
	if f.changed == nil {
		return nil, nil
	}
	return nil, f.changed(ctx)
}

// group is a group with the captured two volumes, in a root folder where the
// physical volume is a plain file. lv_device_open is what is given.
func (f *transcript) group(t *testing.T, open ...string) *Group {
	t.Helper()
	for _, word := range open {
		f.reports = append(f.reports, strings.ReplaceAll(string(captured(t, "volumes.json")), `"-1"`, `"`+word+`"`))
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "dev/loop0"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g := NewGroup("mainvg", 500<<20, root)
	g.run = f.run
	g.recheckDelay = 0
	return g
}

func (f *transcript) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(f.lines, lines) {
		t.Errorf("commands\n%s\nwant\n%s", strings.Join(f.lines, "\n"), strings.Join(lines, "\n"))
	}
}

func TestGroupCommandLines(t *testing.T) {
	var f transcript
	g := f.group(t, "0")
	if err := g.Create(t.Context(), "core_5.0.0"); err != nil {
		t.Error(err)
	}
	if err := g.Rename(t.Context(), "core_5.0.0", "core_5.1.0"); err != nil {
		t.Error(err)
	}
	f.want(t,
		"report",
		"lvcreate --autobackup=n --zero=n --wipesignatures=n --size=524288000b --name=core_5.0.0 -- mainvg",
		"report",
		"lvrename --autobackup=n -- mainvg core_5.0.0 core_5.1.0",
	)
}

func TestGroupReportCommandLine(t *testing.T) {
	g := NewGroup("mainvg", 1, "/")
	var got []string
	g.run = func(_ context.Context, _ func() error, args ...string) ([]byte, error) {
		got = args
		return captured(t, "empty.json"), nil
	}
	if _, err := g.Survey(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "fullreport --reportformat json --units b --nosuffix --binary" +
		" --configreport vg --options vg_name,vg_extent_size,vg_mda_used_count" +
		" --configreport pv --options pv_name,pv_free,pv_allocatable,pv_missing" +
		" --configreport lv --options lv_name,lv_size,lv_device_open" +
		" --configreport pvseg --options pvseg_start --configreport seg --options seg_start -- mainvg"
	if strings.Join(got, " ") != want {
		t.Errorf("%q\nwant\n%s", got, want)
	}
}

func TestGroupBadName(t *testing.T) {
	for _, name := range []string{"", "-x", "--foo", "a/b", ".."} {
		var f transcript
		g := f.group(t, "0")
		g.name = name
		if _, err := g.Survey(t.Context()); err == nil {
			t.Errorf("Survey of %q: no error", name)
		}
		if err := g.Create(t.Context(), "core_5.0.0"); err == nil {
			t.Errorf("Create in %q: no error", name)
		}
		f.want(t)
	}
}

// A change that has begun is not cancelled.
func TestGroupChangeFinishes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := transcript{changed: func(inner context.Context) error {
		cancel()
		if _, limited := inner.Deadline(); !limited {
			t.Error("no time limit")
		}
		return inner.Err()
	}}
	if err := f.group(t, "0").Create(ctx, "core_5.0.0"); err != nil {
		t.Error(err)
	}
}

// No change is begun on a physical volume that cannot be flushed, and none
// counts that could not be flushed afterwards.
func TestGroupFlushes(t *testing.T) {
	var f transcript
	g := f.group(t, "0")
	physical := filepath.Join(g.root, "dev/loop0")
	f.changed = func(context.Context) error { return os.Remove(physical) }
	if err := g.Rename(t.Context(), "one", "two"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("flush afterwards: %v, want %v", err, fs.ErrNotExist)
	}
	if err := g.Rename(t.Context(), "one", "two"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("flush before: %v, want %v", err, fs.ErrNotExist)
	}
	f.want(t, "report", "lvrename --autobackup=n -- mainvg one two", "report")
}

func TestGroupChangeFails(t *testing.T) {
	oops := errors.New("oops")
	f := transcript{changed: func(context.Context) error { return oops }}
	if err := f.group(t, "0").Rename(t.Context(), "one", "two"); !errors.Is(err, oops) {
		t.Errorf("%v, want %v", err, oops)
	}
}

// udev opens volumes for a moment; other programs for longer.
func TestGroupOpenElsewhere(t *testing.T) {
	var brief transcript
	_, err := brief.group(t, "1", "1", "0").Open(t.Context(), "core_state")
	if errors.Is(err, ErrInUse) || !errors.Is(err, fs.ErrNotExist) { // there is no node in this root folder
		t.Errorf("opened for a moment: %v", err)
	}
	brief.want(t, "report", "report", "report", "lvchange --activate=y -- mainvg/core_state")

	var long transcript
	if _, err := long.group(t, "1").Open(t.Context(), "core_state"); !errors.Is(err, ErrInUse) {
		t.Errorf("%v, want %v", err, ErrInUse)
	}
	long.want(t, slices.Repeat([]string{"report"}, openChecks)...)
}

func TestGroupSurveyInUse(t *testing.T) {
	for word, want := range map[string]bool{"1": true, "0": false, "-1": false} {
		var f transcript
		survey, err := f.group(t, word).Survey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range survey.Volumes {
			if v.InUse != want {
				t.Errorf("lv_device_open %q: %+v", word, v)
			}
		}
	}
}

// What sysfs shows is in use too, whatever LVM says: the running volume lies
// beneath the root file system, by way of dm-verity.
func TestGroupStacked(t *testing.T) {
	g := &Group{sysfs: clipos(t)}
	beneathRoot, err := g.sysfs.beneath("253:2")
	if err != nil {
		t.Fatal(err)
	}
	for dev, want := range map[string]string{
		"253:1": "beneath dm-2",
		"253:2": "beneath the root file system",
		"253:3": "",
	} {
		if got, err := g.stacked(dev, beneathRoot); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", dev, got, err, want)
		}
	}
}

// A change of which no write was held is told: its writes were as they would be
// without any flush between them.
func TestGroupUnheld(t *testing.T) {
	oops := errors.New("oops")
	for name, c := range map[string]struct {
		held, fails bool
		want        int
	}{
		"held":      {held: true},
		"not held":  {want: 1},
		"no change": {fails: true},
		"given up":  {held: true, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			var f transcript
			g := f.group(t, "0")
			g.run = func(ctx context.Context, flush func() error, args ...string) ([]byte, error) {
				if args[0] != "fullreport" && c.held {
					if err := flush(); err != nil {
						t.Error(err)
					}
				}
				out, err := f.run(ctx, flush, args...)
				if args[0] != "fullreport" && c.fails {
					err = oops
				}
				return out, err
			}
			if err := g.Rename(t.Context(), "one", "two"); errors.Is(err, oops) != c.fails {
				t.Fatal(err)
			}
			got := g.Warnings()
			if len(got) != c.want || c.want > 0 && !strings.Contains(got[0], "power cut") {
				t.Errorf("warnings %q, want %d", got, c.want)
			}
		})
	}
}
