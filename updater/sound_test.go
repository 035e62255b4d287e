// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
)

const linux = "/mnt/efiboot/EFI/Linux/"

// What has the new entry's name and is not ours to remove is found before
// anything is given up.
func TestNameIsTaken(t *testing.T) {
	for name, take := range map[string]func(s *system){
		"spelt otherwise":     func(s *system) { s.write(linux+"CLIPOS-5.0.0-alpha.3.efi", "foreign") },
		"a folder":            func(s *system) { s.write(linux+"clipos-5.0.0-alpha.3.efi/x", "") },
		"a folder, temporary": func(s *system) { s.write(linux+"clipos-5.0.0-alpha.3.efi.new/x", "") },
		"a link":              func(s *system) { mustLink(s, "clipos-5.0.0-alpha.1.efi", linux+"clipos-5.0.0-alpha.3.efi") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			s.has("5.0.0-alpha.0")
			take(s)
			before := s.disk()
			isOnly(t, s.update(), ErrWriteFailed)
			s.sameDisk(before)
		})
	}
}

// A server need not know HEAD.
func TestServerWithoutHEAD(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusBadRequest, http.StatusNotImplemented} {
		s := newSystem(t, "5.0.0-alpha.1")
		files := tlsserver.Files(s.webroot)
		s.servedBy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.WriteHeader(status)
				return
			}
			files.ServeHTTP(w, r)
		}))
		if err := s.update(); err != nil {
			t.Errorf("HEAD answered with %d: %v", status, err)
		}
	}
}

// A server that says nothing of lengths, or lies, does not fill the disk.
func TestServerCannotFillTheDisk(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	if err := os.MkdirAll(s.paths.State, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", s.paths.State, "tmpfs", 0, "mode=0700,size=17m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(s.paths.State, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s.servedBy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasSuffix(r.URL.Path, "-efiboot") && !strings.HasSuffix(r.URL.Path, "-core"):
			tlsserver.Files(s.webroot).ServeHTTP(w, r)
		case r.Method == http.MethodHead:
			w.Header().Set("Content-Length", "10")
		default:
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}
	}))
	before := s.disk()
	isOnly(t, s.update(), ErrNoSpaceCache)
	s.sameDisk(before)
	var st unix.Statfs_t
	if err := unix.Statfs(s.paths.State, &st); err != nil {
		t.Fatal(err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < cacheReserveBytes {
		t.Errorf("%d bytes are left free", free)
	}
}

// Payloads that are signed but do not belong together are fetched once.
func TestSignedPayloadsAreKept(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	build(release.Options{Wrong: release.Wrong{ID: "clipos-server"}})(s)
	for range 2 {
		isOnly(t, s.update(), ErrContentMismatch)
	}
	if got := count(s.asked("-core"), "GET "); got != 1 {
		t.Errorf("core was fetched %d times", got)
	}
	// Offered no more, they go.
	s.offer("5.0.0-alpha.0")
	isOnly(t, s.update(), ErrNoUpdate)
	if left := names(t, s.paths.State+"/cache"); len(left) > 0 {
		t.Errorf("cache still has %q", left)
	}
}

func count(list []string, prefix string) int {
	n := 0
	for _, s := range list {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

// What waited for a reboot was given up for an update that then failed.
func TestMarkerAfterFailure(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	disk := newFakeDisk(s.fakeState("5.0.0-alpha.1", "5.0.0-alpha.2"))
	s.write(markerFile, "")
	u := s.openWith(s.load(), faultyVolumes{fakeVolumes: fakeVolumes{disk}, device: device(faultyDevice{write: unix.EIO})}, fakeEntries{disk})
	defer u.Close()
	_, err := u.Update(t.Context(), Request{})
	isOnly(t, err, ErrWriteFailed)
	if s.hasMarker() {
		t.Error("the marker is still there")
	}
}

// The loader's default, ours and needed, survives an update that fails at the
// last step.
func TestDefaultSurvivesFailure(t *testing.T) {
	s := newSystem(t, "5.0.0")
	s.has("5.0.0-beta.3", "5.0.0-alpha.4")
	pinned := efi.DefaultPattern(efi.Name{Product: "clipos", Version: "5.0.0"})
	s.setDefault(pinned)
	if _, err := release.Build(t.Context(), s.webroot, release.Options{Version: "5.0.1", NoErrorCorrection: true}); err != nil {
		t.Fatal(err)
	}
	c := s.load()
	u := s.openWith(c, newVolumes(c, s.paths), failingPublish{newPartition(c, s.paths)})
	defer u.Close()
	_, err := u.Update(t.Context(), Request{})
	isOnly(t, err, ErrWriteFailed)
	if got := s.defaultEntry(); got != pinned {
		t.Errorf("the loader's default is %q, want %q", got, pinned)
	}
}

type failingPublish struct{ BootEntries }

func (failingPublish) Publish(string) error { return unix.EIO }

// Power fails between the entry and the loader's default: the next start
// sets it.
func TestDefaultIsMended(t *testing.T) {
	s := newSystem(t, "5.0.0-beta.3")
	s.offer("5.0.0")
	c := s.load()
	u := s.openWith(c, newVolumes(c, s.paths), powerFailsAfterPublish{newPartition(c, s.paths)})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the default was not set")
			}
		}()
		_, _ = u.Update(t.Context(), Request{})
	}()
	u.Close()
	if got := s.defaultEntry(); got != "" {
		t.Fatalf("the loader's default is %q already", got)
	}
	again := s.open()
	defer again.Close()
	found, err := again.Recover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.defaultEntry(), efi.DefaultPattern(efi.Name{Product: "clipos", Version: "5.0.0"}); got != want {
		t.Errorf("the loader's default is %q, want %q", got, want)
	}
	if got := pending(found.Installed); got != "5.0.0" || !s.hasMarker() {
		t.Errorf("%q waits for a reboot, marker %v", got, s.hasMarker())
	}
}

type powerFailsAfterPublish struct{ BootEntries }

func (powerFailsAfterPublish) SetDefault(string) error { panic("power cut") }

// Only what boots next waits for a reboot.
func TestPendingIsWhatBootsNext(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.has("5.0.0-alpha.2", "5.0.0-alpha.4")
	states := func() (list []string) {
		u := s.open()
		defer u.Close()
		found, err := u.Recover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range found.Installed {
			list = append(list, string(i.State))
		}
		return list
	}
	if got, want := states(), []string{"pending", "fallback", "running"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s.setDefault("clipos-5.0.0-alpha.1.efi")
	if got, want := states(), []string{"fallback", "fallback", "running"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if s.hasMarker() {
		t.Error("there is a marker")
	}
}

// A default that would start another entry than the new one is of no use:
// with boot counting the pattern of 5.0.0-rc matches 5.0.0-rc.1 as well.
func TestPatternThatMatchesTwo(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.configure("boot_tries = 3", "")
	for _, v := range []string{"5.0.0-rc.1", "5.0.0-rc"} {
		r, err := release.Build(t.Context(), s.webroot, release.Options{Version: v, NoErrorCorrection: true})
		if err != nil {
			t.Fatal(err)
		}
		if v == "5.0.0-rc" {
			break
		}
		for from, to := range map[string]string{r.Core: "/volumes/core_" + v, r.Efiboot: linux + "clipos-" + v + ".efi"} {
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			s.write(to, string(data))
		}
	}
	s.has("5.0.0-alpha.0")
	before := s.disk()
	isOnly(t, s.update(), ErrBootOrderConflict)
	after := s.disk()
	delete(after, markerFile) // 5.0.0-rc.1 waits for a reboot
	if !maps.Equal(before, after) {
		t.Error("the disk changed")
	}
}
