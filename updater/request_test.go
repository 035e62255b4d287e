// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/test/tlsserver"
)

// Told not to proceed, an update ends with everything in the cache and nothing
// changed; the next one fetches nothing.
func TestProceed(t *testing.T) {
	s := newSystem(t, alpha1)
	s.has(alpha0)
	before := s.disk()
	u := s.open()
	asked := 0
	out, err := u.Update(t.Context(), Request{Proceed: func() bool {
		asked++
		s.sameDisk(before)
		return false
	}})
	want := int64(len(s.payload(alpha3, kindCore)) + len(s.payload(alpha3, kindEFIBoot)))
	if err != nil || out.Installed || out.Version != alpha3 || out.FetchedBytes != want || asked != 1 {
		t.Errorf("%+v, %v, asked %d times", out, err, asked)
	}
	if r := u.Record(); r.PendingVersion != "" {
		t.Errorf("recorded %+v", r)
	}
	u.Close()
	s.sameDisk(before)
	bodies := s.bodies(s.server)
	s.session(func(u *Updater) {
		out, err := u.Update(t.Context(), Request{Proceed: func() bool { return true }})
		if err != nil || !out.Installed || out.FetchedBytes != 0 {
			t.Errorf("%+v, %v", out, err)
		}
	})
	if got := s.bodies(s.server); got != bodies {
		t.Errorf("%d payloads were asked for again", got-bodies)
	}
	s.installed(alpha1, alpha3)
}

// bodies is how many payloads a server was asked for.
func (s *system) bodies(server *tlsserver.Server) (n int) {
	for _, r := range server.Requests() {
		if r.Method == http.MethodGet && (strings.HasSuffix(r.Path, "-core") || strings.HasSuffix(r.Path, "-efiboot")) {
			n++
		}
	}
	return n
}

// The machine is kept running from the first removal to the end of the swap,
// and not a moment longer, however the update ends.
func TestInhibit(t *testing.T) {
	for name, c := range map[string]struct {
		volumes faultyVolumes
		entries faultyEntries
		proceed func() bool
		want    error
		taken   bool
	}{
		"success":        {taken: true},
		"not writable":   {entries: faultyEntries{survey: notWritable}, want: ErrBootOrderConflict},
		"only fetched":   {proceed: func() bool { return false }},
		"not to be had":  {volumes: faultyVolumes{fail: unix.EBUSY}, want: ErrWriteFailed},
		"write fails":    {volumes: faultyVolumes{device: device(faultyDevice{write: unix.EIO})}, want: ErrWriteFailed, taken: true},
		"read back":      {volumes: faultyVolumes{device: device(faultyDevice{read: flipAt(0)})}, want: ErrReadBackMismatch, taken: true},
		"EFI binary":     {entries: faultyEntries{staged: flipBit(-1)}, want: ErrReadBackMismatch, taken: true},
		"rename fails":   {entries: faultyEntries{fail: map[string]error{"Publish": unix.EIO}}, want: ErrWriteFailed, taken: true},
		"variable fails": {entries: faultyEntries{fail: map[string]error{"SetDefault": unix.EIO}}, want: ErrBootOrderConflict, taken: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha1)
			disk := newFakeDisk(s.countedState([]string{alpha0, alpha1}, pattern(alpha1)))
			c.volumes.fakeVolumes, c.entries.fakeEntries = fakeVolumes{disk}, fakeEntries{disk}
			u := s.openWith(s.load(), c.volumes, c.entries)
			defer u.Close()
			note := func(what string) {
				disk.mu.Lock()
				defer disk.mu.Unlock()
				disk.log = append(disk.log, what)
			}
			out, err := u.Update(t.Context(), Request{Proceed: c.proceed, Inhibit: func(context.Context) func() {
				note("inhibit")
				return func() { note("release") }
			}})
			if !errors.Is(err, c.want) || out.Installed != (err == nil && c.taken) {
				t.Errorf("%+v, error %v, want %v", out, err, c.want)
			}
			var want []string
			if c.taken {
				want = []string{"inhibit", "release"}
			}
			got := slices.DeleteFunc(slices.Clone(disk.log), func(l string) bool { return l != "inhibit" && l != "release" })
			if !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			if c.taken && (disk.log[0] != "inhibit" || disk.log[len(disk.log)-1] != "release") {
				t.Errorf("not around everything: %q", disk.log)
			}
			if !c.taken && len(disk.log) > 0 {
				t.Errorf("without it: %q", disk.log)
			}
		})
	}
}

// What came from the server is counted once, however often it is resumed.
func TestFetchedBytes(t *testing.T) {
	s := newSystem(t, alpha1)
	core, efiboot := int64(len(s.payload(alpha3, kindCore))), int64(len(s.payload(alpha3, kindEFIBoot)))
	s.servedBy(tlsserver.StuckOnce(tlsserver.Files(s.webroot), "-core", int(core/2)))
	u := s.open()
	ctx, cancel := context.WithCancel(t.Context())
	first, err := u.Update(ctx, Request{Report: func(st Status) {
		if st.Stage == StageFetching && st.BytesDone >= efiboot+core/2 {
			cancel()
		}
	}})
	if !errors.Is(err, ErrCancelled) {
		t.Fatalf("error %v, want %v", err, ErrCancelled)
	}
	u.Close()
	if first.Installed || first.FetchedBytes != efiboot+core/2 {
		t.Errorf("%+v, want %d bytes", first, efiboot+core/2)
	}
	u = s.open()
	defer u.Close()
	second, err := u.Update(t.Context(), Request{})
	if err != nil || second.FetchedBytes != core-core/2 {
		t.Errorf("%+v, %v, want %d bytes", second, err, core-core/2)
	}
}

// Read again, the configuration counts from then on; what is remembered, what
// is in the cache and the lock stay.
func TestReconfigured(t *testing.T) {
	s := newSystem(t, alpha1)
	s.has(alpha0)
	u := s.open()
	if _, err := u.Update(t.Context(), Request{Proceed: func() bool { return false }}); err != nil {
		t.Fatal(err)
	}
	must(t, u.Change(func(r *Record) { r.HighestGood = alpha1 }))
	before := s.disk()

	server := s.servedBy(tlsserver.Files(s.webroot))
	s.configure("boot_tries = 3", "")
	next := u.Reconfigured(s.load())
	s.sameDisk(before)
	if !reflect.DeepEqual(next.Record(), u.Record()) || next.Record().HighestGood != alpha1 {
		t.Errorf("the record is %+v, was %+v", next.Record(), u.Record())
	}
	if _, _, err := Open(s.load(), s.paths); !errors.Is(err, ErrBusy) {
		t.Errorf("the state folder is free: %v", err)
	}
	old := len(s.server.Requests())
	out, err := next.Update(t.Context(), Request{})
	if err != nil || !out.Installed || out.FetchedBytes != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	if len(s.server.Requests()) != old || len(server.Requests()) == 0 {
		t.Error("the old server was asked")
	}
	s.hasEntries(alpha1, alpha3+"+3")
	if got := u.Record().PendingVersion; got != alpha3 {
		t.Errorf("the first one remembers %q", got)
	}
	must(t, next.Close())
	if left, err := os.ReadDir(filepath.Join(s.paths.State, "cache")); err != nil || len(left) > 0 {
		t.Errorf("the cache has %v, %v", left, err)
	}
	must(t, s.open().Close())
}
