// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/test/keys"
	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
	"github.com/clipos/updater/updater/internal/fetch"
)

// fixtures is a web root with the releases that tests install, built once.
var fixtures string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "updater-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		for _, v := range []string{"5.0.0-alpha.0", "5.0.0-alpha.1", "5.0.0-alpha.2", "5.0.0-alpha.4", "5.0.0-beta.3", "5.0.0", "5.0.0-alpha.3"} {
			if _, err := release.Build(context.Background(), dir, release.Options{Version: v, SizeBytes: 64 << 10, SharedBytes: 192 << 10, NoErrorCorrection: true}); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		fixtures = dir
		return m.Run()
	}())
}

const machineID = "0123456789abcdef0123456789abcdef"

// quick are limits under which a server that does not answer is given up soon.
var quick = fetch.Limits{Attempts: 3, ConnectTimeout: time.Second, HeaderTimeout: time.Second, StallWindow: time.Second, StallTotal: 2 * time.Second, BackoffBase: time.Millisecond}

// system is a machine in a folder and the server it asks.
type system struct {
	t       *testing.T
	paths   Paths
	webroot string
	server  *tlsserver.Server
	boots   int
}

// newSystem is a machine that runs version, with a server that offers
// 5.0.0-alpha.3.
func newSystem(t *testing.T, running string) *system {
	t.Helper()
	s := &system{t: t, paths: NewPaths(t.TempDir(), "", "", ""), webroot: t.TempDir()}
	if err := os.CopyFS(s.webroot, os.DirFS(fixtures)); err != nil {
		t.Fatal(err)
	}
	var err error
	s.server, err = tlsserver.Start(t.Context(), tlsserver.Options{Handler: tlsserver.Files(s.webroot)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
	})
	s.write("/etc/os-release", "ID=clipos\nVERSION_ID=\""+running+"+instrumented\"\n")
	s.write("/etc/machine-id", machineID+"\n")
	s.configure("", "")
	s.write("/usr/lib/updater/pubkey", keys.Public())
	s.write("/etc/updater/remote.toml", fmt.Sprintf("update_url = %q\ndist_url = %q\n", s.server.URL+"/update/v1", s.server.URL+"/dist/"))
	s.write("/etc/updater/rootca.pem", string(s.server.AuthorityPEM))
	for _, dir := range []string{"/run", "/volumes", "/mnt/efiboot/EFI/Linux", variablesDir} {
		if err := os.MkdirAll(s.paths.At(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.has(running)
	s.write("/volumes/core_state", "the state partition")
	s.write("/volumes/core_swap", "swap")
	return s
}

// configure writes config.toml with more lines in its tables.
func (s *system) configure(efiboot, trust string) {
	s.write("/usr/lib/updater/config.toml", fmt.Sprintf(`os_name = "clipos"
[core]
backend = "directory"
destination = "/volumes"
size = "2M"

[efiboot]
destination = "/mnt/efiboot/EFI/Linux"
%s
[trust]
%s
`, efiboot, trust))
}

func (s *system) write(path, content string) {
	s.t.Helper()
	file := s.paths.At(path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) payload(version string, kind payloadKind) []byte {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures, "dist", version, "clipos-"+string(kind)))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// has installs versions as releases would be.
func (s *system) has(versions ...string) {
	s.t.Helper()
	for _, v := range versions {
		s.hasVolume(v)
		s.write("/mnt/efiboot/EFI/Linux/clipos-"+v+".efi", string(s.payload(v, kindEFIBoot)))
	}
}

func (s *system) hasVolume(v string) {
	s.t.Helper()
	s.write("/volumes/core_"+v, string(s.payload(v, kindCore)))
	if err := os.Truncate(s.paths.At("/volumes/core_"+v), 2<<20); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) offer(version string) {
	s.t.Helper()
	if err := release.Offer(s.webroot, "clipos", version); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) load() *Config {
	s.t.Helper()
	c, err := Load(s.paths)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// open returns an updater for the machine; it is closed with the test.
func (s *system) open() *Updater {
	s.t.Helper()
	c := s.load()
	return s.openWith(c, newVolumes(c, s.paths), newPartition(c, s.paths))
}

func (s *system) openWith(c *Config, volumes Volumes, entries BootEntries) *Updater {
	s.t.Helper()
	u, warning, err := open(c, s.paths, volumes, entries, quick)
	if err != nil || warning != nil {
		s.t.Fatal(err, warning)
	}
	return u
}

// update runs one update as a program would: recover, confirm, update, close.
func (s *system) update() error {
	s.t.Helper()
	u := s.open()
	defer u.Close()
	return s.updateWith(s.t.Context(), u)
}

func (s *system) updateWith(ctx context.Context, u *Updater) error {
	s.t.Helper()
	if _, err := u.Recover(ctx); err != nil {
		s.t.Log(err)
	}
	_, err := u.Update(ctx, Request{})
	return err
}

// disk is what must not change in a refused update: every byte of the
// volumes, the boot entries, the loader's variables and /run.
func (s *system) disk() map[string]string {
	s.t.Helper()
	found := map[string]string{}
	for _, dir := range []string{"/volumes", "/mnt", "/run", "/sys/firmware"} {
		err := filepath.WalkDir(s.paths.At(dir), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			found[strings.TrimPrefix(path, s.paths.Root)] = fmt.Sprintf("%s %d %x", d.Type(), len(data), sha256.Sum256(data))
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return found
}

func (s *system) sameDisk(before map[string]string) {
	s.t.Helper()
	if after := s.disk(); !maps.Equal(before, after) {
		s.t.Errorf("the disk changed\nbefore %v\nafter  %v", before, after)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range found {
		list = append(list, f.Name())
	}
	return list
}

// installed asserts that exactly these versions are on the disk, whole.
func (s *system) installed(versions ...string) {
	s.t.Helper()
	var volumes, entries []string
	for _, v := range versions {
		volumes = append(volumes, "core_"+v)
		entries = append(entries, "clipos-"+v+".efi")
		s.isWhole(v, "clipos-"+v+".efi")
	}
	volumes = append(volumes, "core_state", "core_swap")
	slices.Sort(entries)
	slices.Sort(volumes)
	if got := names(s.t, s.paths.At("/volumes")); !slices.Equal(got, volumes) {
		s.t.Errorf("volumes %q, want %q", got, volumes)
	}
	if got := names(s.t, s.paths.At("/mnt/efiboot/EFI/Linux")); !slices.Equal(got, entries) {
		s.t.Errorf("entries %q, want %q", got, entries)
	}
}

func (s *system) isWhole(version, entry string) {
	s.t.Helper()
	volume, err := os.ReadFile(s.paths.At("/volumes/core_" + version))
	if err != nil {
		s.t.Error(err)
	}
	core := s.payload(version, kindCore)
	if !bytes.HasPrefix(volume, core) || len(bytes.Trim(volume[len(core):], "\x00")) > 0 {
		s.t.Errorf("volume of %s is not its image followed by zeros", version)
	}
	file, err := os.ReadFile(s.paths.At("/mnt/efiboot/EFI/Linux/" + entry))
	if err != nil || !bytes.Equal(file, s.payload(version, kindEFIBoot)) {
		s.t.Errorf("%s is not the release's EFI binary (%v)", entry, err)
	}
}

func (s *system) hasMarker() bool {
	_, err := os.Stat(s.paths.At(markerFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return err == nil
}

// asked returns the paths the server was asked for whose end matches.
func (s *system) asked(suffix string) []string {
	var list []string
	for _, r := range s.server.Requests() {
		if strings.HasSuffix(r.Path, suffix) {
			list = append(list, r.Method+" "+r.Path)
		}
	}
	return list
}
