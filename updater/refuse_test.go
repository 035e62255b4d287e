// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
)

const dist3 = "dist/5.0.0-alpha.3/clipos-"

// onServer changes a file in the web root.
func onServer(file string, change func([]byte) []byte) func(*system) {
	return func(s *system) {
		path := filepath.Join(s.webroot, file)
		data, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, change(data), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
}

func without(files ...string) func(*system) {
	return func(s *system) {
		for _, f := range files {
			if err := os.Remove(filepath.Join(s.webroot, f)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

func content(text string) func([]byte) []byte {
	return func([]byte) []byte { return []byte(text) }
}

// build publishes 5.0.0-alpha.3 anew, with something wrong in it.
func build(o release.Options) func(*system) {
	return func(s *system) {
		o.Version, o.NoErrorCorrection = "5.0.0-alpha.3", true
		if _, err := release.Build(s.t.Context(), s.webroot, o); err != nil {
			s.t.Fatal(err)
		}
	}
}

func swapFiles(a, b string) func(*system) {
	return func(s *system) {
		a, b := filepath.Join(s.webroot, a), filepath.Join(s.webroot, b)
		for _, r := range [][2]string{{a, a + ".tmp"}, {b, a}, {a + ".tmp", b}} {
			if err := os.Rename(r[0], r[1]); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

func all(steps ...func(*system)) func(*system) {
	return func(s *system) {
		for _, step := range steps {
			step(s)
		}
	}
}

func flipBit(at int) func([]byte) []byte {
	return func(data []byte) []byte {
		if at < 0 {
			at += len(data)
		}
		data[at] ^= 1
		return data
	}
}

// Each of these is refused with that error, and leaves every byte of the
// disk as it was.
func TestRefused(t *testing.T) {
	tests := map[string]struct {
		change func(*system)
		want   error
	}{
		"no version document":       {without("update/v1/clipos/version"), ErrServer},
		"version not TOML":          {onServer("update/v1/clipos/version", content("<html>")), ErrInvalidVersion},
		"two versions":              {onServer("update/v1/clipos/version", content("version = \"5.0.0\"\nversion = \"5.0.1\"\n")), ErrInvalidVersion},
		"version not a text":        {onServer("update/v1/clipos/version", content("version = 5\n")), ErrInvalidVersion},
		"version leads elsewhere":   {onServer("update/v1/clipos/version", content("version = \"../../etc\"\n")), ErrInvalidVersion},
		"version with build":        {onServer("update/v1/clipos/version", content("version = \"5.0.0+1\"\n")), ErrInvalidVersion},
		"version in capitals":       {onServer("update/v1/clipos/version", content("version = \"5.0.0-RC.1\"\n")), ErrInvalidVersion},
		"version with line break":   {onServer("update/v1/clipos/version", content("version = \"5.0.0\\r\\n\"\n")), ErrInvalidVersion},
		"version with NUL":          {onServer("update/v1/clipos/version", content("version = \"5.0.0\x00\"\n")), ErrInvalidVersion},
		"version document with BOM": {onServer("update/v1/clipos/version", content("\uFEFFversion = \"5.0.0\"\n")), ErrInvalidVersion},
		"huge version document":     {onServer("update/v1/clipos/version", content(strings.Repeat("#\n", 1<<19))), ErrResponseTooLarge},
		"release is not there":      {onServer("update/v1/clipos/version", content("version = \"999.0.0\"\n")), ErrServer},

		"no signature of core":         {without(dist3 + "core.sig"), ErrSignatureInvalid},
		"no signature of efiboot":      {without(dist3 + "efiboot.sig"), ErrSignatureInvalid},
		"no signatures":                {without(dist3+"core.sig", dist3+"efiboot.sig"), ErrSignatureInvalid},
		"empty signature":              {onServer(dist3+"core.sig", content("")), ErrSignatureInvalid},
		"signature garbage":            {onServer(dist3+"core.sig", content("garbage\n")), ErrSignatureInvalid},
		"huge signature":               {onServer(dist3+"core.sig", content(strings.Repeat("x", 1<<20))), ErrSignatureInvalid},
		"signed by another key":        {func(s *system) { otherKey(s) }, ErrSignatureInvalid},
		"legacy signature":             {build(release.Options{Legacy: true}), ErrSignatureInvalid},
		"signature of another version": {build(release.Options{Wrong: release.Wrong{Comment: "5.0.0-alpha.2"}}), ErrVersionMismatch},
		"comment with build":           {build(release.Options{Wrong: release.Wrong{Comment: "5.0.0-alpha.3+1"}}), ErrVersionMismatch},

		"no core":                {without(dist3 + "core"), ErrServer},
		"core truncated":         {onServer(dist3+"core", func(d []byte) []byte { return d[:len(d)-1] }), ErrSignatureInvalid},
		"core extended":          {onServer(dist3+"core", func(d []byte) []byte { return append(d, 0) }), ErrSignatureInvalid},
		"core empty":             {onServer(dist3+"core", content("")), ErrSignatureInvalid},
		"bit of core flipped":    {onServer(dist3+"core", flipBit(100000)), ErrSignatureInvalid},
		"last bit of core":       {onServer(dist3+"core", flipBit(-1)), ErrSignatureInvalid},
		"bit of efiboot flipped": {onServer(dist3+"efiboot", flipBit(2000)), ErrSignatureInvalid},
		"payloads swapped":       {all(swapFiles(dist3+"core", dist3+"efiboot"), swapFiles(dist3+"core.sig", dist3+"efiboot.sig")), ErrContentMismatch},
		"payloads of two builds": {func(s *system) { mixBuilds(s) }, ErrContentMismatch},
		"another product's":      {build(release.Options{Wrong: release.Wrong{ID: "clipos-server"}}), ErrContentMismatch},
		"another version inside": {build(release.Options{Wrong: release.Wrong{VersionID: "5.0.0-alpha.2"}}), ErrContentMismatch},
		"another volume":         {build(release.Options{Wrong: release.Wrong{Volume: "core_5.0.0-alpha.1"}}), ErrContentMismatch},
		"another root hash":      {build(release.Options{Wrong: release.Wrong{RootHash: strings.Repeat("ab", 32)}}), ErrContentMismatch},
		"two root hashes":        {build(release.Options{Wrong: release.Wrong{AlsoRootHash: strings.Repeat("ab", 32)}}), ErrContentMismatch},
		"no command line":        {build(release.Options{Wrong: release.Wrong{Omit: []string{".cmdline"}}}), ErrContentMismatch},
		"no os-release":          {build(release.Options{Wrong: release.Wrong{Omit: []string{".osrel"}}}), ErrContentMismatch},

		"core larger than the volume": {build(release.Options{SizeBytes: 3 << 20}), ErrVolumeTooSmall},
		"no volume folder":            {func(s *system) { mustRename(s, "/volumes", "/elsewhere") }, ErrVolumeGroupNotFound},
		"no ESP":                      {func(s *system) { mustRename(s, "/mnt/efiboot/EFI/Linux", "/mnt/elsewhere") }, ErrESPNotMounted},
		"spare volume in use":         {func(s *system) { s.has("5.0.0-alpha.0"); holdOpen(s, "/volumes/core_5.0.0-alpha.0") }, ErrVolumeInUse},
		"spare volume is a link":      {func(s *system) { mustLink(s, "core_5.0.0-alpha.1", "/volumes/core_5.0.0-alpha.0") }, ErrVolumeInUse},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			c.change(s)
			before := s.disk()
			err := s.update()
			isOnly(t, err, c.want)
			if err != nil && strings.ContainsAny(err.Error(), "\x00\r") {
				t.Errorf("raw text of the server in %q", err)
			}
			s.sameDisk(before)
			if s.hasMarker() {
				t.Error("there is a marker")
			}
		})
	}
}

// isOnly asserts that an error means want and nothing else that has a name.
func isOnly(t *testing.T, err, want error) {
	t.Helper()
	for _, e := range []error{
		ErrNoUpdate, ErrUnknownVersion, ErrInvalidVersion, ErrDowngrade, ErrFailedBefore,
		ErrNetworkUnavailable, ErrTLSFailed, ErrServer, ErrResponseTooLarge, ErrTooSlow,
		ErrSignatureInvalid, ErrVersionMismatch, ErrContentMismatch,
		ErrVolumeGroupNotFound, ErrVolumeInUse, ErrVolumeTooSmall, ErrNoSpaceVolumeGroup, ErrNoSpaceESP, ErrNoSpaceCache,
		ErrESPNotMounted, ErrBootOrderConflict, ErrWriteFailed, ErrReadBackMismatch, ErrConfigInvalid,
	} {
		if errors.Is(err, e) != (e == want) { //nolint:errorlint // the sentinels themselves are compared
			t.Errorf("error %v is %q: %v", err, e, e != want) //nolint:errorlint // as above
		}
	}
}

func mustRename(s *system, from, to string) {
	if err := os.Rename(s.paths.At(from), s.paths.At(to)); err != nil {
		s.t.Fatal(err)
	}
}

func mustLink(s *system, to, link string) {
	if err := os.Symlink(to, s.paths.At(link)); err != nil {
		s.t.Fatal(err)
	}
}

func holdOpen(s *system, path string) {
	f, err := os.OpenFile(s.paths.At(path), os.O_RDWR, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { f.Close() })
}

func otherKey(s *system) {
	key, err := release.NewKey(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	build(release.Options{Key: key})(s)
}

// mixBuilds offers the core of one build with the efiboot of another.
func mixBuilds(s *system) {
	core := filepath.Join(s.webroot, dist3+"core")
	keep := filepath.Join(s.t.TempDir(), "core")
	for _, suffix := range []string{"", ".sig"} {
		data, err := os.ReadFile(core + suffix)
		if err == nil {
			err = os.WriteFile(keep+suffix, data, 0o600)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	build(release.Options{SizeBytes: 300 << 10})(s)
	for _, suffix := range []string{"", ".sig"} {
		if err := os.Rename(keep+suffix, core+suffix); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestRefusedTLS(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	other, err := tlsserver.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	s.write("/etc/updater/rootca.pem", string(other.PEM()))
	before := s.disk()
	if err := s.update(); !errors.Is(err, ErrTLSFailed) {
		t.Errorf("error %v, want %v", err, ErrTLSFailed)
	}
	s.sameDisk(before)
	if got := s.server.Requests(); len(got) > 0 {
		t.Errorf("the server was told %v", got)
	}
}

func TestRefusedNoServer(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.write("/etc/updater/remote.toml", "update_url = \"https://127.0.0.1:1\"\ndist_url = \"https://127.0.0.1:1\"\n")
	before := s.disk()
	if err := s.update(); !errors.Is(err, ErrNetworkUnavailable) {
		t.Errorf("error %v, want %v", err, ErrNetworkUnavailable)
	}
	s.sameDisk(before)
}

// Nothing of a payload is asked for before both signatures have been checked.
func TestNoPayloadBeforeSignatures(t *testing.T) {
	for name, change := range map[string]func(*system){
		"other key":     otherKey,
		"other version": build(release.Options{Wrong: release.Wrong{Comment: "5.0.0"}}),
		"legacy":        build(release.Options{Legacy: true}),
		"core missing":  without(dist3 + "core.sig"),
		"garbage":       onServer(dist3+"core.sig", content("x")),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			change(s)
			if err := s.update(); err == nil {
				t.Fatal("no error")
			}
			if got := append(s.asked("-core"), s.asked("-efiboot")...); len(got) > 0 {
				t.Errorf("asked for %q", got)
			}
		})
	}
}

// Five lines in a signature file, as the tools of the Rust client left them.
func TestStaleFifthLine(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	onServer(dist3+"core.sig", func(d []byte) []byte {
		return append(bytes.TrimRight(d, "\n"), []byte("\nzzWdnuXxYyZz==\n")...)
	})(s)
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
	s.installed("5.0.0-alpha.1", "5.0.0-alpha.3")
}

func TestLegacyAllowed(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	s.configure("", "prehashed_only = false")
	build(release.Options{Legacy: true})(s)
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
}

func TestVersionDocumentLeniency(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	onServer("update/v1/clipos/version", content("channel = \"beta\"\r\nversion = \"5.0.0-alpha.3\"\r\n"))(s)
	if err := s.update(); err != nil {
		t.Fatal(err)
	}
}

// A server that serves the version document but whose payloads redirect.
func TestRedirectRefused(t *testing.T) {
	s := newSystem(t, "5.0.0-alpha.1")
	files := tlsserver.Files(s.webroot)
	s.servedBy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "-core") {
			http.Redirect(w, r, s.server.URL+r.URL.Path, http.StatusFound)
			return
		}
		files.ServeHTTP(w, r)
	}))
	// Trusted as well: only the redirect is wrong.
	roots, err := os.ReadFile(s.paths.At("/etc/updater/rootca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("/etc/updater/rootca.pem", string(roots)+string(s.server.AuthorityPEM))
	before := s.disk()
	if err := s.update(); !errors.Is(err, ErrServer) {
		t.Errorf("error %v, want %v", err, ErrServer)
	}
	s.sameDisk(before)
	if got := s.server.Requests(); len(got) > 0 {
		t.Errorf("the redirect was followed: %v", got)
	}
}
