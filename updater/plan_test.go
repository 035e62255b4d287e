// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/test/tlsserver"
)

// cached puts the beginning of a payload of 5.0.0-alpha.3 in the cache.
func (s *system) cached(kind payloadKind, bytes int, validator string) {
	s.t.Helper()
	dir := filepath.Join(s.paths.State, "cache")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(dir, cacheName(mustParse(s.t, alpha3), kind))
	data := s.payload(alpha3, kind)
	if bytes > len(data) {
		data = append(slices.Clone(data), make([]byte, bytes-len(data))...)
	}
	if err := errors.Join(os.WriteFile(path, data[:bytes], 0o600), os.WriteFile(path+".validator", []byte(validator), 0o600)); err != nil {
		s.t.Fatal(err)
	}
}

// stateFiles is what the state folder holds.
func (s *system) stateFiles() map[string]string {
	s.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(s.paths.State, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found[path] = fmt.Sprintf("%d %x", len(data), sha256.Sum256(data))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// A plan says what the update then does, and changes nothing itself.
func TestPlanIsWhatUpdateDoes(t *testing.T) {
	efiboot, core := len(fixture(t, kindEFIBoot)), len(fixture(t, kindCore))
	total := int64(efiboot + core)
	disks := map[string]struct {
		others   string
		replaced string // volume
		removed  []string
	}{
		"no other core volume":  {"", "", nil},
		"older fallback":        {alpha0, "core_" + alpha0, []string{"clipos-" + alpha0 + ".efi"}},
		"user rolled back":      {alpha2, "core_" + alpha2, []string{"clipos-" + alpha2 + ".efi"}},
		"server went back":      {alpha4, "core_" + alpha4, []string{"clipos-" + alpha4 + ".efi"}},
		"several spare volumes": {alpha0 + " " + alpha2, "core_" + alpha0, []string{"clipos-" + alpha0 + ".efi"}},
		"counted fallback":      {alpha0 + "+2-1", "core_" + alpha0, []string{"clipos-" + alpha0 + "+2-1.efi"}},
	}
	caches := map[string]struct {
		fill  func(*system)
		reuse int64
	}{
		"empty cache":       {func(*system) {}, 0},
		"half of core":      {func(s *system) { s.cached(kindCore, core/2, s.validator()) }, int64(core / 2)},
		"half, no name":     {func(s *system) { s.cached(kindCore, core/2, "") }, 0},
		"too much":          {func(s *system) { s.cached(kindCore, core+1, s.validator()) }, 0},
		"all of it":         {func(s *system) { s.cached(kindCore, core, ""); s.cached(kindEFIBoot, efiboot, "") }, total},
		"efiboot only":      {func(s *system) { s.cached(kindEFIBoot, efiboot, "") }, int64(efiboot)},
		"another version's": {func(s *system) { must(s.t, os.WriteFile(s.cacheOf(alpha2), make([]byte, 1000), 0o600)) }, 0},
	}
	for name, d := range disks {
		for content, c := range caches {
			if name != "older fallback" && content != "empty cache" && content != "half of core" {
				continue // what the cache has and where it goes have nothing to do with each other
			}
			t.Run(name+", "+content, func(t *testing.T) {
				s := newSystem(t, alpha1)
				holds(d.others)(s)
				c.fill(s)
				u := s.open()
				defer u.Close()
				before, state := s.disk(), s.stateFiles()
				got, err := u.Plan(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				s.sameDisk(before)
				if after := s.stateFiles(); !maps.Equal(state, after) {
					t.Errorf("the state changed: %v, before %v", after, state)
				}
				want := Plan{
					Version: alpha3, Method: MethodPlain, Volume: "core_" + alpha3, Entry: "clipos-" + alpha3 + ".efi",
					ReuseBytes: c.reuse, DownloadBytes: total - c.reuse, CacheBytes: total - c.reuse, WriteBytes: total,
					ReplacedVolume: d.replaced, ReplacedEntries: d.removed, Reason: got.Reason,
					ESPBytes: s.espBytes(d.removed), GroupBytes: got.GroupBytes,
				}
				if !same(got, want) || got.Reason == "" || (got.GroupBytes > 0) != (d.replaced == "") {
					t.Errorf("%+v\nwant %+v", got, want)
				}
				s.updateAsPlanned(u, got, before)
			})
		}
	}
}

func same(a, b Plan) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fixture(t *testing.T, kind payloadKind) []byte {
	return (&system{t: t}).payload(alpha3, kind)
}

// cacheOf is the path of a core image in the cache.
func (s *system) cacheOf(version string) string {
	dir := filepath.Join(s.paths.State, "cache")
	must(s.t, os.MkdirAll(dir, 0o700))
	return filepath.Join(dir, version+"-core")
}

// espBytes is the room for the new entry when these are gone.
func (s *system) espBytes(removed []string) int64 {
	s.t.Helper()
	survey, err := newPartition(s.load(), s.paths).Survey()
	must(s.t, err)
	blocks := func(n int64) int64 { return (n + survey.BlockBytes - 1) / survey.BlockBytes * survey.BlockBytes }
	need := blocks(int64(len(s.payload(alpha3, kindEFIBoot))))
	for _, e := range survey.Entries {
		if slices.Contains(removed, e.File) {
			need -= blocks(e.SizeBytes)
		}
	}
	return max(0, need)
}

// updateAsPlanned updates and asserts that exactly the plan was done.
func (s *system) updateAsPlanned(u *Updater, p Plan, before map[string]string) {
	s.t.Helper()
	out, err := u.Update(s.t.Context(), Request{Version: p.Version})
	if err != nil || !out.Installed || out.Version != p.Version || out.FetchedBytes != p.DownloadBytes {
		s.t.Errorf("%+v, %v, planned %d bytes", out, err, p.DownloadBytes)
	}
	want := maps.Clone(before)
	for _, file := range p.ReplacedEntries {
		delete(want, linux+file)
	}
	if p.ReplacedVolume != "" {
		delete(want, "/volumes/"+p.ReplacedVolume)
	}
	after := s.disk()
	for _, path := range []string{linux + p.Entry, "/volumes/" + p.Volume, markerFile} {
		if after[path] == "" {
			s.t.Errorf("%s is missing", path)
		}
		delete(after, path)
	}
	if !maps.Equal(after, want) {
		s.t.Errorf("the disk is %v, want %v", after, want)
	}
	s.isWhole(p.Version, p.Entry)
}

// Of a volume group a new volume takes its whole size, and a used one nothing.
func TestPlanGroupBytes(t *testing.T) {
	s := newSystem(t, alpha1)
	for others, want := range map[string]int64{"": fakeVolumeBytes, alpha0: 0} {
		disk := newFakeDisk(s.countedState(strings.Fields(alpha1+" "+others), ""))
		u := s.openWith(s.load(), fakeVolumes{disk}, fakeEntries{disk})
		got, err := u.Plan(t.Context(), "")
		u.Close()
		if err != nil || got.GroupBytes != want {
			t.Errorf("%q: %d bytes of the group, %v, want %d", others, got.GroupBytes, err, want)
		}
	}
}

func TestPlanRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*system)
		version string
		want    error
	}{
		"nothing newer":       {func(s *system) { s.offer(alpha0) }, "", ErrNoUpdate},
		"installed":           {func(s *system) { s.has(alpha3) }, "", ErrNoUpdate},
		"not on the server":   {func(*system) {}, "6.0.0", ErrUnknownVersion},
		"announced, no files": {without(dist3+"core", dist3+"efiboot", dist3+"core.sig", dist3+"efiboot.sig"), "", ErrServer},
		"no signature":        {without(dist3 + "core.sig"), "", ErrSignatureInvalid},
		"no version":          {func(*system) {}, "latest", ErrInvalidVersion},
		"older":               {func(*system) {}, alpha0, ErrNoUpdate},
		"no server":           {nobodyThere, "", ErrNetworkUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha1)
			c.change(s)
			u := s.open()
			defer u.Close()
			before, state := s.disk(), s.stateFiles()
			got, err := u.Plan(t.Context(), c.version)
			if !errors.Is(err, c.want) || !same(got, Plan{}) {
				t.Errorf("%+v, error %v, want %v", got, err, c.want)
			}
			s.sameDisk(before)
			if after := s.stateFiles(); !maps.Equal(state, after) {
				t.Errorf("the state changed: %v, before %v", after, state)
			}
		})
	}
}

// nobodyThere lets the machine ask where nothing listens.
func nobodyThere(s *system) {
	s.write("/etc/updater/remote.toml", "update_url = \"https://127.0.0.1:1\"\ndist_url = \"https://127.0.0.1:1\"\n")
}

// A server that says nothing of sizes leaves them unknown.
func TestPlanWithoutSizes(t *testing.T) {
	s := newSystem(t, alpha1)
	files := tlsserver.Files(s.webroot)
	s.servedBy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		files.ServeHTTP(w, r)
	}))
	u := s.open()
	defer u.Close()
	got, err := u.Plan(t.Context(), "")
	if want := (Plan{Version: alpha3, Method: MethodPlain, Volume: "core_" + alpha3, Entry: "clipos-" + alpha3 + ".efi", Reason: got.Reason}); err != nil || !same(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestPlanCounted(t *testing.T) {
	s := newSystem(t, alpha1)
	s.configure("boot_tries = 3", "")
	u := s.open()
	defer u.Close()
	got, err := u.Plan(t.Context(), alpha3)
	want := efi.Name{Product: "clipos", Version: alpha3, Counted: true, TriesLeft: 3}.String()
	if err != nil || got.Entry != want {
		t.Errorf("entry %q, %v, want %q", got.Entry, err, want)
	}
}

// Whoever looks while an update runs disturbs nothing.
func TestLookWhileUpdating(t *testing.T) {
	s := newSystem(t, alpha1)
	s.has(alpha0)
	u := s.open()
	defer u.Close()
	ended := make(chan struct{})
	var looking sync.WaitGroup
	for _, look := range []func(){
		func() { _, _ = u.Plan(t.Context(), "") },
		func() { _, _ = u.Installed(t.Context()) },
		func() { _ = u.Acceptable(t.Context(), alpha3) },
		func() { u.Record().Failed(nil) },
	} {
		looking.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					look()
				}
			}
		})
	}
	_, err := u.Update(t.Context(), Request{})
	close(ended)
	looking.Wait()
	if err != nil {
		t.Fatal(err)
	}
	s.installed(alpha1, alpha3)
}
