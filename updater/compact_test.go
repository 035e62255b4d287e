// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
	"github.com/clipos/updater/updater/patch"
)

var (
	patchName = "core.from-" + alpha1 + ".patch"
	zstdName  = "core.zst"
)

// newest is the release that the machine's server offers.
func (s *system) newest() *release.Release { return release.At(s.webroot, "clipos", alpha3) }

func (s *system) old(version string) *release.Release {
	return release.At(s.webroot, "clipos", version)
}

// publishes adds compact forms to the newest release.
func (s *system) publishes(methods ...Method) {
	s.t.Helper()
	for _, m := range methods {
		switch m {
		case MethodPatch:
			must(s.t, s.newest().PatchFrom(s.t.Context(), s.old(alpha1), release.PublishedKey(), nil))
		case MethodZstd:
			must(s.t, s.newest().Compress(s.t.Context(), release.PublishedKey()))
		case MethodPlain:
		}
	}
}

// served reads a file of the newest release.
func (s *system) served(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.webroot, "dist", alpha3, "clipos-"+name))
	must(s.t, err)
	return data
}

// gets are the files of the newest release whose bodies were sent, without the
// signatures of the payloads.
func gets(server *tlsserver.Server) []string {
	var names []string
	for _, r := range server.Requests() {
		name, ok := strings.CutPrefix(r.Path, "/dist/"+alpha3+"/clipos-")
		if ok && r.Method == http.MethodGet && r.BodyBytes > 0 && name != "core.sig" && name != "efiboot.sig" && r.Status < 300 {
			names = append(names, name)
		}
	}
	return names
}

// outcome updates and returns what came of it.
func (s *system) outcome(q Request) (Outcome, error) {
	s.t.Helper()
	u := s.open()
	defer u.Close()
	if _, err := u.Recover(s.t.Context()); err != nil {
		s.t.Error(err)
	}
	return u.Update(s.t.Context(), q)
}

// Each method installs the same bytes, and fetches no more than it needs.
func TestMethods(t *testing.T) {
	for name, c := range map[string]struct {
		published []Method
		running   string
		want      []string
	}{
		"all":                         {[]Method{MethodPatch, MethodZstd}, alpha1, []string{patchName + ".sig", "efiboot", patchName}},
		"patch only":                  {[]Method{MethodPatch}, alpha1, []string{patchName + ".sig", "efiboot", patchName}},
		"compressed only":             {[]Method{MethodZstd}, alpha1, []string{zstdName + ".sig", "efiboot", zstdName}},
		"no patch from this version":  {[]Method{MethodPatch, MethodZstd}, alpha2, []string{zstdName + ".sig", "efiboot", zstdName}},
		"plain only":                  {nil, alpha1, []string{"efiboot", "core"}},
		"only from another, no .zst":  {[]Method{MethodPatch}, alpha2, []string{"efiboot", "core"}},
		"patched over a volume there": {[]Method{MethodPatch}, alpha1, []string{patchName + ".sig", "efiboot", patchName}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, c.running)
			if strings.HasPrefix(name, "patched over") {
				s.has(alpha0)
			}
			s.publishes(c.published...)
			plan := s.plan()
			out, err := s.outcome(Request{})
			if err != nil || len(out.Notes) != 1 {
				t.Fatalf("%v, notes %q", err, out.Notes)
			}
			s.installed(c.running, alpha3)
			if got := gets(s.server); !slices.Equal(got, c.want) {
				t.Errorf("fetched %q, want %q", got, c.want)
			}
			file := c.want[len(c.want)-1]
			size := int64(len(s.served("efiboot")) + len(s.served(file)))
			if out.FetchedBytes != size || plan.DownloadBytes != size || plan.CacheBytes != size {
				t.Errorf("%d bytes fetched, planned %+v, want %d", out.FetchedBytes, plan, size)
			}
			if left := names(t, s.paths.State+"/cache"); len(left) > 0 {
				t.Errorf("cache still has %q", left)
			}
		})
	}
}

func (s *system) plan() Plan {
	s.t.Helper()
	u := s.open()
	defer u.Close()
	p, err := u.Plan(s.t.Context(), "")
	must(s.t, err)
	return p
}

// Check and Plan tell the bytes of the method that is tried first.
func TestCompactSizes(t *testing.T) {
	s := newSystem(t, alpha1)
	for _, c := range []struct {
		publish Method
		file    string
	}{{MethodPlain, "core"}, {MethodZstd, zstdName}, {MethodPatch, patchName}} {
		s.publishes(c.publish)
		want := int64(len(s.served("efiboot")) + len(s.served(c.file)))
		u := s.open()
		check, err := u.Check(t.Context())
		u.Close()
		if err != nil || check.DownloadBytes != want {
			t.Errorf("%s: check %+v, %v, want %d bytes", c.publish, check, err, want)
		}
		plan := s.plan()
		write := int64(len(s.served("efiboot")) + len(s.served("core")))
		if plan.Method != c.publish || plan.DownloadBytes != want || plan.WriteBytes != write {
			t.Errorf("plan %+v, want %s with %d bytes", plan, c.publish, want)
		}
	}
}

// What is wrong with a patch, or with what it is applied to, costs no more than
// the patch: the compressed image follows, and the fallback is not touched for
// a patch that would not work.
func TestPatchFails(t *testing.T) {
	key := release.PublishedKey()
	changed := func(change func(*patch.Header)) func(*system) {
		return func(s *system) {
			must(s.t, s.newest().PatchFrom(s.t.Context(), s.old(alpha1), key, change))
		}
	}
	file := func(name string, change func([]byte) []byte) func(*system) {
		return func(s *system) {
			path := filepath.Join(s.webroot, "dist", alpha3, "clipos-"+name)
			data, err := os.ReadFile(path)
			must(s.t, errors.Join(err, os.WriteFile(path, change(data), 0o644)))
		}
	}
	resigned := func(content func(*system) []byte) func(*system) {
		return func(s *system) {
			must(s.t, s.newest().Publish(s.t.Context(), s.newest().PatchFile(alpha1), content(s), key))
		}
	}
	for name, c := range map[string]struct {
		change func(*system)
		why    string
	}{
		"no signature":          {func(s *system) { must(s.t, os.Remove(s.newest().PatchFile(alpha1)+".sig")) }, "status 404 Not Found"},
		"signature of core":     {file(patchName+".sig", func([]byte) []byte { return fixtureFile("core.sig") }), "signature invalid"},
		"garbage for signature": {file(patchName+".sig", func([]byte) []byte { return []byte("garbage") }), "signature invalid"},
		"a bit flipped":         {file(patchName, func(d []byte) []byte { d[len(d)/2] ^= 1; return d }), "signature invalid"},
		"cut":                   {file(patchName, func(d []byte) []byte { return d[:len(d)-1] }), "signature invalid"},
		"longer":                {file(patchName, func(d []byte) []byte { return append(d, 0) }), "signature invalid"},
		"larger than the image": {file(patchName, func(d []byte) []byte { return append(d, make([]byte, 1<<20)...) }), "response too large"},
		"from another version":  {changed(func(h *patch.Header) { h.From = alpha0 }), `it leads from "5.0.0-alpha.0" to "5.0.0-alpha.3"`},
		"to another version":    {changed(func(h *patch.Header) { h.To = alpha4 }), `to "5.0.0-alpha.4"`},
		"another base":          {changed(func(h *patch.Header) { h.Base.BLAKE2b[5] ^= 1 }), "not the image the patch was made from"},
		"base larger than there": {
			changed(func(h *patch.Header) { h.Base.SizeBytes = 3 << 20 }), "it has 2097152 bytes, the image 3145728",
		},
		"signed, but for another release": {func(s *system) {
			r := s.newest()
			r.Version = alpha4
			must(s.t, r.Publish(s.t.Context(), s.newest().PatchFile(alpha1), s.served(patchName), key))
		}, "signed for another version"},
		"another key": {func(s *system) {
			other, err := release.NewKey(s.t.Context())
			must(s.t, err)
			must(s.t, s.newest().Publish(s.t.Context(), s.newest().PatchFile(alpha1), s.served(patchName), other))
		}, "signature invalid"},
		"another result": {func(s *system) {
			to := s.old(alpha4)
			to.Version = alpha3
			content, err := release.Patch(s.t.Context(), s.old(alpha1), to, nil)
			must(s.t, errors.Join(err, s.newest().Publish(s.t.Context(), s.newest().PatchFile(alpha1), content, key)))
		}, "signature invalid: payload is not the one signed"},
		"the plain image":      {resigned(func(s *system) []byte { return s.served("core")[:100_000] }), "malformed"},
		"the compressed image": {resigned(func(s *system) []byte { return s.served(zstdName) }), "malformed"},
		"empty, signed":        {resigned(func(*system) []byte { return nil }), "malformed"},
		"a frame that differs": {resigned(func(s *system) []byte {
			d := s.served(patchName)
			d[len(d)-20] ^= 0x10
			return d
		}), "malformed"},
		"base not there": {func(s *system) { must(s.t, os.Remove(s.paths.At("/volumes/core_"+alpha1))) }, "volume not found"},
		"base is a link": {func(s *system) {
			volume := s.paths.At("/volumes/core_" + alpha1)
			must(s.t, errors.Join(os.Rename(volume, volume+".old"), os.Symlink(volume+".old", volume)))
		}, "volume in use: a symbolic link"},
		"a bit of the base lost": {func(s *system) {
			flip(s.t, s.paths.At("/volumes/core_"+alpha1), 150_000)
		}, "not the image the patch was made from"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha1)
			s.has(alpha0)
			s.publishes(MethodPatch, MethodZstd)
			c.change(s)
			before := s.disk()
			out, err := s.outcome(Request{Proceed: func() bool { s.sameDisk(before); return true }})
			if err != nil || !out.Installed {
				t.Fatal(err)
			}
			s.isWhole(alpha3, "clipos-"+alpha3+".efi")
			said := slices.IndexFunc(out.Notes, func(n string) bool {
				return strings.Contains(n, patchName) && strings.Contains(n, c.why) &&
					(strings.Contains(n, "core.zst is used instead") || strings.Contains(n, "is not used"))
			})
			if said < 0 {
				t.Errorf("notes %q, want one with %q", out.Notes, c.why)
			}
			if got := gets(s.server); got[len(got)-1] != zstdName || slices.Contains(got, "core") {
				t.Errorf("fetched %q", got)
			}
			if failed := s.record().FailedVersions; len(failed) > 0 {
				t.Errorf("%q failed before", failed)
			}
		})
	}
}

func fixtureFile(name string) []byte {
	data, err := os.ReadFile(filepath.Join(fixtures, "dist", alpha3, "clipos-"+name))
	if err != nil {
		panic(err)
	}
	return data
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	b[0] ^= 1
	_, err2 := f.WriteAt(b, at)
	must(t, errors.Join(err, err2, f.Close()))
}

// With both broken the plain image is what it was without them.
func TestCompactFails(t *testing.T) {
	key := release.PublishedKey()
	bomb := func(s *system) {
		r := s.newest()
		r.Core = filepath.Join(t.TempDir(), "bomb")
		must(t, os.WriteFile(r.Core, make([]byte, 64<<20), 0o600))
		must(t, r.Compress(t.Context(), key))
		must(t, errors.Join(os.Rename(r.CompressedFile(), s.newest().CompressedFile()), os.Rename(r.CompressedFile()+".sig", s.newest().CompressedFile()+".sig")))
	}
	for name, c := range map[string]struct {
		change func(*system)
		why    string
	}{
		"a bomb":          {bomb, "too large: more than"},
		"of another size": {func(s *system) { s.compress(append(s.served("core"), 0)) }, "too large"},
		"cut image":       {func(s *system) { s.compress(s.served("core")[:100_000]) }, "signature invalid: payload"},
		"other image":     {func(s *system) { s.compress(bytes.Repeat([]byte("x"), len(s.served("core")))) }, "signature invalid: payload"},
		"not compressed": {func(s *system) {
			must(t, s.newest().Publish(t.Context(), s.newest().CompressedFile(), s.served("core")[:100_000], key))
		}, "malformed"},
		"a patch": {func(s *system) {
			must(t, s.newest().Publish(t.Context(), s.newest().CompressedFile(), s.served(patchName), key))
		}, "malformed"},
		"no signature": {func(s *system) { must(t, os.Remove(s.newest().CompressedFile()+".sig")) }, "status 404"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, alpha1)
			s.publishes(MethodPatch, MethodZstd)
			c.change(s)
			flip(t, s.newest().PatchFile(alpha1), 1000)
			before := s.disk()
			out, err := s.outcome(Request{Proceed: func() bool { s.sameDisk(before); return true }})
			if err != nil || !out.Installed {
				t.Fatal(err)
			}
			s.installed(alpha1, alpha3)
			said := slices.IndexFunc(out.Notes, func(n string) bool {
				return strings.Contains(n, zstdName) && strings.Contains(n, c.why) && strings.Contains(n, "core is used instead")
			})
			if said < 0 {
				t.Errorf("notes %q, want one with %q", out.Notes, c.why)
			}
			if got := gets(s.server); got[len(got)-1] != "core" {
				t.Errorf("fetched %q", got)
			}
		})
	}
}

func (s *system) compress(image []byte) {
	s.t.Helper()
	r := s.newest()
	r.Core = filepath.Join(s.t.TempDir(), "image")
	must(s.t, errors.Join(os.WriteFile(r.Core, image, 0o600), r.Compress(s.t.Context(), release.PublishedKey())))
	for _, suffix := range []string{"", ".sig"} {
		must(s.t, os.Rename(r.CompressedFile()+suffix, s.newest().CompressedFile()+suffix))
	}
}

// Whatever the last method says is the update's error, and everything is as it
// was.
func TestAllMethodsFail(t *testing.T) {
	s := newSystem(t, alpha1)
	s.has(alpha0)
	s.publishes(MethodPatch, MethodZstd)
	for _, name := range []string{patchName, zstdName, "core"} {
		flip(t, filepath.Join(s.webroot, "dist", alpha3, "clipos-"+name), 1000)
	}
	before := s.disk()
	out, err := s.outcome(Request{})
	if !errors.Is(err, ErrSignatureInvalid) || !strings.Contains(err.Error(), ": core: ") || len(out.Notes) != 2 {
		t.Errorf("%v, notes %q", err, out.Notes)
	}
	s.sameDisk(before)
}

// What binds two payloads binds them however the image came: here the whole
// patch is genuine and the EFI binary belongs to another build.
func TestPatchedContentMismatch(t *testing.T) {
	s := newSystem(t, alpha1)
	s.has(alpha0)
	s.publishes(MethodPatch, MethodZstd)
	for _, name := range []string{"efiboot", "efiboot.sig"} {
		data, err := os.ReadFile(filepath.Join(s.webroot, "dist", alpha4, "clipos-"+name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(s.webroot, "dist", alpha3, "clipos-"+name), data, 0o644))
	}
	r := s.newest()
	must(t, release.PublishedKey().Sign(t.Context(), r.Efiboot, alpha3, false))
	before := s.disk()
	_, err := s.outcome(Request{})
	if !errors.Is(err, ErrContentMismatch) {
		t.Errorf("error %v, want %v", err, ErrContentMismatch)
	}
	s.sameDisk(before)
	if got := gets(s.server); slices.Contains(got, zstdName) || slices.Contains(got, "core") {
		t.Errorf("fetched %q: the image was the right one", got)
	}
}

// A compact form is signed like a payload; it is none, content binding or not.
func TestCompactAsPayload(t *testing.T) {
	for _, name := range []string{patchName, zstdName} {
		for _, as := range []string{"core", "efiboot"} {
			for _, binding := range []string{"", "content_binding = false"} {
				t.Run(strings.Join([]string{name, as, binding}, " "), func(t *testing.T) {
					s := newSystem(t, alpha1)
					s.has(alpha0)
					s.configure("", binding)
					s.publishes(MethodPatch, MethodZstd)
					for _, suffix := range []string{".sig", ""} {
						must(t, os.Rename(filepath.Join(s.webroot, "dist", alpha3, "clipos-"+name+suffix), filepath.Join(s.webroot, "dist", alpha3, "clipos-"+as+suffix)))
					}
					for _, other := range []string{patchName, zstdName} {
						if err := os.Remove(filepath.Join(s.webroot, "dist", alpha3, "clipos-"+other)); err != nil && other != name {
							t.Fatal(err)
						}
					}
					before := s.disk()
					if _, err := s.outcome(Request{}); !errors.Is(err, ErrContentMismatch) {
						t.Errorf("error %v, want %v", err, ErrContentMismatch)
					}
					s.sameDisk(before)
				})
			}
		}
	}
}

// The base changes after the patch was found good: what is written is not what
// was signed, and never boots. The next update takes another method.
func TestBaseChangesBetween(t *testing.T) {
	s := newSystem(t, alpha1)
	s.has(alpha0)
	s.publishes(MethodPatch, MethodZstd)
	_, err := s.outcome(Request{Proceed: func() bool {
		flip(t, s.paths.At("/volumes/core_"+alpha1), 150_000)
		return true
	}})
	if !errors.Is(err, ErrWriteFailed) && !errors.Is(err, ErrReadBackMismatch) {
		t.Fatalf("error %v, want %v or %v", err, ErrWriteFailed, ErrReadBackMismatch)
	}
	if got := names(t, s.paths.At(linux)); !slices.Equal(got, []string{"clipos-" + alpha1 + ".efi"}) {
		t.Errorf("entries %q", got)
	}
	out, err := s.outcome(Request{})
	if err != nil || !slices.ContainsFunc(out.Notes, func(n string) bool { return strings.Contains(n, patch.ErrBase.Error()) }) {
		t.Fatalf("%v, notes %q", err, out.Notes)
	}
	s.isWhole(alpha3, "clipos-"+alpha3+".efi")
}

// cut lets the server send the first half of a file, and then nothing more of
// it however often it is asked.
func (s *system) cut(name string) {
	files := tlsserver.Files(s.webroot)
	var left atomic.Int64
	left.Store(int64(len(s.served(name)) / 2))
	s.servedBy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "clipos-"+name) {
			w = &limited{w, &left}
		}
		files.ServeHTTP(w, r)
	}))
}

type limited struct {
	http.ResponseWriter
	leftBytes *atomic.Int64
}

func (l *limited) Write(p []byte) (int, error) {
	n, err := l.ResponseWriter.Write(p[:min(int64(len(p)), l.leftBytes.Load())])
	if err != nil || l.leftBytes.Add(-int64(n)) > 0 {
		return n, err
	}
	_ = http.NewResponseController(l.ResponseWriter).Flush() // cut anyway
	panic(http.ErrAbortHandler)
}

// Half of each form is there when the next run begins, and is not fetched again.
func TestCompactResumes(t *testing.T) {
	for method, name := range map[Method]string{MethodPatch: patchName, MethodZstd: zstdName, MethodPlain: "core"} {
		t.Run(string(method), func(t *testing.T) {
			s := newSystem(t, alpha1)
			s.publishes(method)
			s.servedBy(tlsserver.StuckOnce(tlsserver.Files(s.webroot), "clipos-"+name, len(s.served(name))/2))
			ctx, cancel := context.WithCancel(t.Context())
			u := s.open()
			// Cancelled once there is something to resume.
			_, err := u.Update(ctx, Request{Report: func(st Status) {
				if st.Stage == StageFetching && st.BytesDone > int64(len(s.served("efiboot"))) {
					cancel()
				}
			}})
			u.Close()
			cancel()
			if !errors.Is(err, ErrCancelled) {
				t.Fatalf("error %v, want %v", err, ErrCancelled)
			}
			info, err := os.Stat(filepath.Join(s.paths.State, "cache", alpha3+"-"+name))
			if err != nil || info.Size() == 0 {
				t.Fatalf("%v, %v", info, err)
			}
			s.servedBy(tlsserver.Files(s.webroot))
			out, err := s.outcome(Request{})
			must(t, err)
			s.installed(alpha1, alpha3)
			if want := int64(len(s.served(name))) - info.Size(); out.FetchedBytes != want {
				t.Errorf("%d bytes fetched, want %d", out.FetchedBytes, want)
			}
		})
	}
}

// A form that always breaks off is given up for the next, in the same run.
func TestCompactCutForGood(t *testing.T) {
	s := newSystem(t, alpha1)
	s.publishes(MethodPatch, MethodZstd)
	s.cut(patchName)
	var total int64
	last := -1.0
	out, err := s.outcome(Request{Report: func(st Status) {
		if st.Progress < last {
			t.Errorf("progress went back from %v to %v", last, st.Progress)
		}
		last = st.Progress
		if st.Stage == StageFetching {
			total = st.BytesTotal
		}
	}})
	if err != nil || len(out.Notes) != 2 {
		t.Fatalf("%v, notes %q", err, out.Notes)
	}
	s.installed(alpha1, alpha3)
	if want := int64(len(s.served("efiboot")) + len(s.served(zstdName))); total != want {
		t.Errorf("%d bytes in all, want %d", total, want)
	}
}

// An image that had to be fetched as it is, and was, is not fetched once more as
// something smaller.
func TestFetchedPlainComesFirst(t *testing.T) {
	s := newSystem(t, alpha1)
	s.cached(kindCore, len(s.payload(alpha3, kindCore)), "")
	s.cached(kindEFIBoot, len(s.payload(alpha3, kindEFIBoot)), "")
	s.publishes(MethodPatch, MethodZstd)
	if p := s.plan(); p.Method != MethodPlain || p.DownloadBytes != 0 {
		t.Errorf("planned %+v", p)
	}
	out, err := s.outcome(Request{})
	if err != nil || out.FetchedBytes != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	s.installed(alpha1, alpha3)
}

// A compressed image that is no good is out of the way where the plain one
// would not fit beside it, in this run and in the next.
func TestCompactGivenUpMakesRoom(t *testing.T) {
	needsRoot(t)
	s := newSystem(t, alpha1)
	other := make([]byte, len(s.served("core"))*3/4)
	rand.NewChaCha8([32]byte{}).Read(other)
	s.compress(other)
	must(t, os.MkdirAll(s.paths.State, 0o700))
	room := cacheReserveBytes + len(s.served("efiboot")) + len(s.served("core")) + len(other)/2
	must(t, unix.Mount("tmpfs", s.paths.State, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", room)))
	t.Cleanup(func() { unix.Unmount(s.paths.State, unix.MNT_DETACH) })
	out, err := s.outcome(Request{})
	if err != nil || !out.Installed {
		t.Fatalf("%v, notes %q", err, out.Notes)
	}
	s.installed(alpha1, alpha3)
}

// The plain image comes first because most of it is there already; when the
// server has it no more the other forms are tried all the same.
func TestPlainInFrontFails(t *testing.T) {
	s := newSystem(t, alpha1)
	s.publishes(MethodPatch)
	s.cached(kindCore, len(s.payload(alpha3, kindCore))-100, `"gone"`)
	files := tlsserver.Files(s.webroot)
	s.servedBy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "clipos-core") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		files.ServeHTTP(w, r)
	}))
	if p := s.plan(); p.Method != MethodPlain {
		t.Fatalf("planned %+v", p)
	}
	out, err := s.outcome(Request{})
	if err != nil || !out.Installed {
		t.Fatalf("%v, notes %q", err, out.Notes)
	}
	s.installed(alpha1, alpha3)
}
