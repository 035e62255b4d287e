// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/policy"
)

// stateFolder is one as prepareState leaves it.
func stateFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := prepareState(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mustOpenStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, warning, err := openStore(dir)
	if err != nil || warning != nil {
		t.Fatal(err, warning)
	}
	return s
}

func mustChange(t *testing.T, s *Store, change func(*Record)) {
	t.Helper()
	if err := s.Change(change); err != nil {
		t.Fatal(err)
	}
}

func TestRecordSurvives(t *testing.T) {
	dir := stateFolder(t)
	s := mustOpenStore(t, dir)
	if got := s.Record(); !reflect.DeepEqual(got, Record{}) {
		t.Errorf("a new record is %+v", got)
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("reading made %q", left)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	want := Record{
		HighestGood: "5.0.0-alpha.3", LastCheck: now, LastSuccess: now.Add(-time.Hour), FailedChecks: 7,
		AvailableVersion: "5.0.0", PendingVersion: "5.0.0-beta.1",
	}
	mustChange(t, s, func(r *Record) {
		*r = want
		r.Unfinished = &Transaction{ID: "7", Version: "5.0.0", Started: now}
	})
	for _, got := range []Record{s.Record(), mustOpenStore(t, dir).Record()} {
		if got.Unfinished == nil || *got.Unfinished != (Transaction{"7", "5.0.0", now}) {
			t.Errorf("unfinished is %+v", got.Unfinished)
		}
		if got.Unfinished = nil; !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	mustChange(t, s, func(r *Record) { r.Unfinished = nil })
	if got := mustOpenStore(t, dir).Record(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if left := names(t, dir); !slices.Equal(left, []string{recordFile}) {
		t.Errorf("the folder has %q", left)
	}
	info, err := os.Stat(filepath.Join(dir, recordFile))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// The file is replaced, never written over: who has the old one open reads it
// to the end.
func TestRecordIsReplaced(t *testing.T) {
	dir := stateFolder(t)
	s := mustOpenStore(t, dir)
	mustChange(t, s, func(r *Record) { r.HighestGood = "5.0.0-alpha.1" })
	old, err := os.Open(filepath.Join(dir, recordFile))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	mustChange(t, s, func(r *Record) { r.HighestGood = "5.0.0-alpha.3" })
	data, err := readBounded(old)
	if err != nil || !strings.Contains(string(data), "alpha.1") {
		t.Errorf("the old file is %q, %v", data, err)
	}
	info, err := old.Stat()
	if err != nil || info.Sys().(*syscall.Stat_t).Nlink != 0 {
		t.Errorf("the old file still has a name: %+v, %v", info, err)
	}
}

func TestRecordUnchangedIsNotWritten(t *testing.T) {
	dir := stateFolder(t)
	s := mustOpenStore(t, dir)
	mustChange(t, s, func(r *Record) { r.Unfinished = &Transaction{ID: "7"} })
	before, err := os.Stat(filepath.Join(dir, recordFile))
	if err != nil {
		t.Fatal(err)
	}
	s.flush = func(string) error { t.Error("flushed"); return nil }
	mustChange(t, s, func(r *Record) { r.Unfinished = &Transaction{ID: "7"} })
	mustChange(t, s, func(*Record) {})
	after, err := os.Stat(filepath.Join(dir, recordFile))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was replaced (%v)", err)
	}
}

// The folder is flushed once it names the new file, and a failure is told.
func TestRecordFlushesFolder(t *testing.T) {
	dir := stateFolder(t)
	s := mustOpenStore(t, dir)
	var flushed []string
	s.flush = func(folder string) error {
		data, err := os.ReadFile(filepath.Join(dir, recordFile))
		if err != nil || !strings.Contains(string(data), "5.0.0") {
			t.Errorf("flushed before the file was there: %q, %v", data, err)
		}
		flushed = append(flushed, folder)
		return unix.EIO
	}
	if err := s.Change(func(r *Record) { r.HighestGood = "5.0.0" }); !errors.Is(err, unix.EIO) {
		t.Errorf("error %v, want %v", err, unix.EIO)
	}
	if !slices.Equal(flushed, []string{dir}) {
		t.Errorf("flushed %q", flushed)
	}
	if err := syncFolder(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: error %v", err)
	}
}

// What a caller keeps does not reach into the record.
func TestRecordSharesNothing(t *testing.T) {
	s := mustOpenStore(t, stateFolder(t))
	mine := &Transaction{ID: "7", Version: "5.0.0"}
	mustChange(t, s, func(r *Record) { r.Unfinished = mine })
	mine.Version = "changed by whom it came from"
	s.Record().Unfinished.Version = "changed by whom it was given to"
	if got := s.Record().Unfinished.Version; got != "5.0.0" {
		t.Errorf("version %q", got)
	}
	mustChange(t, s, func(r *Record) { r.Unfinished.Version = "6.0.0" })
	if got := mustOpenStore(t, filepath.Dir(s.path)).Record().Unfinished; got == nil || got.Version != "6.0.0" {
		t.Errorf("a change in place was lost: %+v", got)
	}
}

// A record that cannot be written stays as it was, in memory and on disk.
func TestRecordNotWritten(t *testing.T) {
	dir := stateFolder(t)
	s := mustOpenStore(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, recordFile, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Change(func(r *Record) { r.HighestGood = "5.0.0" }); err == nil {
		t.Error("no error")
	}
	if got := s.Record(); !reflect.DeepEqual(got, Record{}) {
		t.Errorf("the record is %+v", got)
	}
	if left := names(t, dir); !slices.Equal(left, []string{recordFile}) {
		t.Errorf("the folder has %q", left)
	}
	// A year that JSON does not know.
	if err := s.Change(func(r *Record) { r.LastCheck = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }); err == nil {
		t.Error("no error")
	}
	if left := names(t, dir); !slices.Equal(left, []string{recordFile}) {
		t.Errorf("the folder has %q", left)
	}
}

func TestRecordNoSpace(t *testing.T) {
	needsRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	s := mustOpenStore(t, dir)
	mustChange(t, s, func(r *Record) { r.HighestGood = "5.0.0" })
	before := s.Record()
	err := s.Change(func(r *Record) { r.AvailableVersion = strings.Repeat("x", 64<<10) })
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v, want %v", err, unix.ENOSPC)
	}
	if got := mustOpenStore(t, dir).Record(); !reflect.DeepEqual(got, before) || !reflect.DeepEqual(s.Record(), before) {
		t.Errorf("%+v on disk, %+v in memory, want %+v", got, s.Record(), before)
	}
	if left := names(t, dir); !slices.Equal(left, []string{recordFile}) {
		t.Errorf("the folder has %q", left)
	}
}

// A file that is no record is set aside and not fatal, whatever it is.
func TestRecordCorrupt(t *testing.T) {
	write := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	for name, plant := range map[string]func(path string) error{
		"empty":                  write(""),
		"zeros":                  write(strings.Repeat("\x00", 512)),
		"cut short":              write(`{"highest_good": "5.0.0`),
		"something behind it":    write(`{"highest_good": "5.0.0"} {}`),
		"a list":                 write(`["5.0.0"]`),
		"a number for a text":    write(`{"available_version": "6.0.0", "highest_good": 5}`),
		"no time":                write(`{"last_check": "yesterday"}`),
		"highest good no number": write(`{"highest_good": "5.0", "failed_checks": 3}`),
		"highest good raw":       write(`{"highest_good": "5.0.0\u001b[31m"}`),
		"too large":              write(`{"highest_good": "5.0.0"}` + strings.Repeat(" ", 1<<20)),
		"writable by others": func(path string) error {
			return errors.Join(write(`{"highest_good": "5.0.0"}`)(path), os.Chmod(path, 0o666))
		},
		"FIFO":   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"device": func(path string) error { return os.Symlink("/dev/zero", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := stateFolder(t)
			path := filepath.Join(dir, recordFile)
			if err := plant(path); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			var s *Store
			var warning error
			soon(t, func() { s, warning, err = openStore(dir) })
			if err != nil {
				t.Fatal(err)
			}
			if warning == nil || !strings.Contains(warning.Error(), path+".corrupt") || strings.ContainsAny(warning.Error(), "\x00\x1b\n") {
				t.Errorf("warning %q", warning)
			}
			if got := s.Record(); !reflect.DeepEqual(got, Record{}) || !got.highestGood().IsZero() {
				t.Errorf("the record is %+v", got)
			}
			if left := names(t, dir); !slices.Equal(left, []string{recordFile + ".corrupt"}) {
				t.Errorf("the folder has %q", left)
			}
			if after, err := os.Lstat(path + ".corrupt"); err != nil || !os.SameFile(before, after) {
				t.Errorf("set aside is another file (%v)", err)
			}
			mustChange(t, s, func(r *Record) { r.HighestGood = "5.0.0" })
			if got := mustOpenStore(t, dir).Record(); !reflect.DeepEqual(got, Record{HighestGood: "5.0.0"}) {
				t.Errorf("the record is %+v", got)
			}
		})
	}
}

func TestRecordOfAnother(t *testing.T) {
	needsRoot(t)
	dir := stateFolder(t)
	path := filepath.Join(dir, recordFile)
	// Nothing would ever be installed again.
	if err := errors.Join(os.WriteFile(path, []byte(`{"highest_good": "999.0.0"}`), 0o600), os.Chown(path, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	s, warning, err := openStore(dir)
	if err != nil || warning == nil || !strings.Contains(warning.Error(), "belongs to user 65534") {
		t.Fatalf("warning %v, error %v", warning, err)
	}
	if got := s.Record(); !reflect.DeepEqual(got, Record{}) {
		t.Errorf("the record is %+v", got)
	}
}

// A record that is there but cannot be read just now is not given up.
func TestRecordUnreadable(t *testing.T) {
	dir := stateFolder(t)
	path := filepath.Join(dir, recordFile)
	if err := os.Symlink(recordFile, path); err != nil { // a link to itself
		t.Fatal(err)
	}
	if _, _, err := openStore(dir); !errors.Is(err, unix.ELOOP) {
		t.Errorf("error %v, want %v", err, unix.ELOOP)
	}
	if left := names(t, dir); !slices.Equal(left, []string{recordFile}) {
		t.Errorf("the folder has %q", left)
	}
}

// What a later version of this program adds is no reason to forget.
func TestRecordUnknownKey(t *testing.T) {
	dir := stateFolder(t)
	if err := os.WriteFile(filepath.Join(dir, recordFile), []byte(`{"highest_good": "5.0.0", "from_the_future": [1]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := mustOpenStore(t, dir).Record(); got.highestGood().String() != "5.0.0" {
		t.Errorf("the record is %+v", got)
	}
}

func TestRecordConcurrently(t *testing.T) {
	dir := stateFolder(t)
	s := mustOpenStore(t, dir)
	const writers, changes = 8, 25
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range changes {
				err := s.Change(func(r *Record) {
					r.FailedChecks++
					if r.Unfinished == nil {
						r.Unfinished = &Transaction{}
					}
					r.Unfinished.ID += "x"
				})
				if err != nil {
					t.Error(err)
				}
				if r := s.Record(); r.FailedChecks != len(r.Unfinished.ID) {
					t.Errorf("half a change: %+v", r)
				}
				s.Record().Unfinished.Version += "y"
				// Another process never reads half a file.
				if _, err := parseRecordFile(dir); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if r := mustOpenStore(t, dir).Record(); r.FailedChecks != writers*changes || r.Unfinished.Version != "" {
		t.Errorf("the record is %+v", r)
	}
	if left := names(t, dir); !slices.Equal(left, []string{recordFile}) {
		t.Errorf("the folder has %q", left)
	}
}

func parseRecordFile(dir string) (Record, error) {
	data, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return Record{}, err
	}
	return parseRecord(data)
}

func TestRecordHighestGood(t *testing.T) {
	for text, want := range map[string]string{"": "", "5.0.0": "5.0.0", "5.0": ""} {
		if got := (Record{HighestGood: text}).highestGood(); got.String() != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	// None is lower than every version.
	v, err := policy.ParseVersion("0.0.0-0")
	if err != nil || (Record{}).highestGood().Compare(v) >= 0 {
		t.Errorf("none is not lower than %s (%v)", v, err)
	}
}
