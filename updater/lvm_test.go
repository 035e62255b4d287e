// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/lvm/lvmtest"
	"github.com/clipos/updater/test/release"
)

// withGroup gives the machine a volume group of the real tools in place of
// the folder of image files.
func (s *system) withGroup(sizeBytes int64) {
	s.t.Helper()
	lvmtest.AddGroup(s.t, s.paths.Root, "mainvg", sizeBytes)
	s.write("/usr/lib/updater/config.toml", `os_name = "clipos"
[core]
destination = "mainvg"
size = "500M"
[efiboot]
destination = "/mnt/efiboot/EFI/Linux"
`)
	for name, size := range map[string]string{"core_state": "8M", "core_swap": "4M"} {
		s.lvm("lvcreate", "--yes", "--size", size, "--name", name, "mainvg")
	}
}

func (s *system) lvm(args ...string) string { return lvmtest.LVM(s.t, s.paths.Root, args...) }

func (s *system) hasLogicalVolume(version, size string) {
	s.t.Helper()
	s.lvm("lvcreate", "--yes", "--size", size, "--name", "core_"+version, "mainvg")
	f, err := os.OpenFile(s.device(version), os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = f.Write(s.payload(version, kindCore))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) device(version string) string { return s.paths.At("/dev/mainvg/core_" + version) }

// logicalVolumes is what lvs says: names and sizes in megabytes.
func (s *system) logicalVolumes() string {
	report := s.lvm("lvs", "--noheadings", "--units", "m", "--nosuffix", "--separator", " ", "--options", "lv_name,lv_size", "mainvg")
	var lines []string
	for line := range strings.Lines(report) {
		lines = append(lines, strings.TrimSuffix(strings.TrimSpace(line), ".00"))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func (s *system) deviceBytes(version string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(s.device(version))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// The four scenarios again, with the real LVM tools, real metadata and a real
// block device for each volume.
func TestScenariosOnLVM(t *testing.T) {
	for name, c := range map[string]struct{ before, size string }{
		"no other core volume": {"", "500"},
		"older fallback":       {"5.0.0-alpha.0", "40"},
		"user rolled back":     {"5.0.0-alpha.2", "40"},
		"server went back":     {"5.0.0-alpha.4", "40"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			s.withGroup(700 << 20)
			s.hasLogicalVolume("5.0.0-alpha.1", "16M")
			if c.before != "" {
				s.has(c.before)
				s.hasLogicalVolume(c.before, "40M")
			}
			running := s.deviceBytes("5.0.0-alpha.1")
			if err := s.update(); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("core_5.0.0-alpha.1 16, core_5.0.0-alpha.3 %s, core_state 8, core_swap 4", c.size)
			if got := s.logicalVolumes(); got != want {
				t.Errorf("volumes %s, want %s", got, want)
			}
			entries := names(t, s.paths.At("/mnt/efiboot/EFI/Linux"))
			if want := []string{"clipos-5.0.0-alpha.1.efi", "clipos-5.0.0-alpha.3.efi"}; !slices.Equal(entries, want) {
				t.Errorf("entries %q, want %q", entries, want)
			}
			if !bytes.HasPrefix(s.deviceBytes("5.0.0-alpha.3"), s.payload("5.0.0-alpha.3", kindCore)) {
				t.Error("the volume does not hold the image")
			}
			if !bytes.Equal(running, s.deviceBytes("5.0.0-alpha.1")) {
				t.Error("the running system's volume changed")
			}
			if !s.hasMarker() {
				t.Error("no marker")
			}
		})
	}
}

// What is refused on LVM leaves the group's metadata and every volume as they were.
func TestRefusedOnLVM(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*system)
		want   error
	}{
		"group full":    {func(s *system) { s.lvm("lvcreate", "--yes", "--size", "500M", "--name", "data", "mainvg") }, ErrNoSpaceVolumeGroup},
		"no such group": {func(s *system) { s.replaceInConfig(`"mainvg"`, `"othervg"`) }, ErrVolumeGroupNotFound},
		"spare volume small": {func(s *system) {
			s.has("5.0.0-alpha.0")
			s.lvm("lvcreate", "--yes", "--size", "4M", "--name", "core_5.0.0-alpha.0", "mainvg")
			build(release.Options{SizeBytes: 5 << 20})(s)
		}, ErrVolumeTooSmall},
		"spare volume mounted": {func(s *system) {
			s.has("5.0.0-alpha.0")
			s.hasLogicalVolume("5.0.0-alpha.0", "40M")
			lvmtest.Mount(s.t, s.device("5.0.0-alpha.0"))
		}, ErrVolumeInUse},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, "5.0.0-alpha.1")
			s.withGroup(700 << 20)
			s.hasLogicalVolume("5.0.0-alpha.1", "16M")
			c.change(s)
			before, volumes, image := s.disk(), s.logicalVolumes(), s.imageBytes()
			if err := s.update(); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			s.sameDisk(before)
			if got := s.logicalVolumes(); got != volumes {
				t.Errorf("volumes %s, before %s", got, volumes)
			}
			if !bytes.Equal(image, s.imageBytes()) {
				t.Error("the physical volume changed")
			}
		})
	}
}

func (s *system) replaceInConfig(from, to string) {
	s.t.Helper()
	file := "/usr/lib/updater/config.toml"
	data, err := os.ReadFile(s.paths.At(file))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(file, strings.Replace(string(data), from, to, 1))
}

// imageBytes are the first bytes of the physical volume, where LVM keeps all
// it knows.
func (s *system) imageBytes() []byte {
	s.t.Helper()
	f, err := os.Open(filepath.Join(s.paths.Root, "var/lib/lvmroot/mainvg.img"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	metadata := make([]byte, 1<<20)
	if _, err := f.Read(metadata); err != nil {
		s.t.Fatal(err)
	}
	return metadata
}

// warned are volumes whose last change was not as it should be.
type warned struct{ Volumes }

func (warned) Warnings() []string { return []string{"a power cut would have"} }

// What is known of a change of metadata only when it is done is told all the same.
func TestWarningOfChange(t *testing.T) {
	s := newSystem(t, alpha1)
	c := s.load()
	u := s.openWith(c, warned{newVolumes(c, s.paths)}, newPartition(c, s.paths))
	defer u.Close()
	out, err := u.Update(t.Context(), Request{})
	if err != nil || !slices.Contains(out.Notes, "a power cut would have") {
		t.Errorf("%v, notes %q", err, out.Notes)
	}
}
