// SPDX-License-Identifier: LGPL-2.1-or-later

package release

import (
	"bytes"
	"cmp"
	"debug/pe"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestUKI(t *testing.T) {
	kernel := filepath.Join(t.TempDir(), "kernel")
	// Longer than the distance between the fixed addresses of older
	// instructions, and not a whole number of pages.
	if err := os.WriteFile(kernel, bytes.Repeat([]byte("k"), 5<<20+17), 0o644); err != nil {
		t.Fatal(err)
	}
	r := mustBuild(t, t.TempDir(), Options{Version: "5.0.0-alpha.3", Kernel: kernel})
	sections := readSections(t, r.Efiboot)
	for name, want := range map[string]string{
		".cmdline": r.CommandLine + "\x00",
		".osrel":   "ID=clipos-efiboot\nVERSION=\"5.0.0-alpha.3\"\nVERSION_ID=\"5.0.0-alpha.3\"\n",
		".linux":   strings.Repeat("k", 5<<20+17),
	} {
		if !strings.Contains(sections[name], want) {
			t.Errorf("%s: %.200q, want %.200q", name, sections[name], want)
		}
	}
	if len(sections[".initrd"]) != generatedBytes {
		t.Errorf(".initrd has %d bytes", len(sections[".initrd"]))
	}
	for _, want := range []string{
		"rd.verity.device=/dev/mainvg/core_5.0.0-alpha.3", "rd.verity.name=verity_core_5.0.0-alpha.3", "rd.verity.roothash=" + r.Verity.RootHash,
	} {
		if !slices.Contains(strings.Fields(r.CommandLine), want) {
			t.Errorf("command line %q has no %q", r.CommandLine, want)
		}
	}
}

func TestWrong(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	tests := []struct {
		name    string
		options Options
		section string
		want    string // what the section says, "" for no such section
	}{
		{"product", Options{Wrong: Wrong{ID: "other-efiboot"}}, ".osrel", "ID=other-efiboot\n"},
		{"version", Options{Wrong: Wrong{VersionID: "9.9.9"}}, ".osrel", "VERSION_ID=\"9.9.9\"\n"},
		{"volume", Options{Wrong: Wrong{Volume: "core_9.9.9"}}, ".cmdline", "/dev/mainvg/core_9.9.9 "},
		{"root hash", Options{Wrong: Wrong{RootHash: hash}}, ".cmdline", " rd.verity.roothash=" + hash},
		{"second root hash", Options{Wrong: Wrong{AlsoRootHash: hash}}, ".cmdline", " rd.verity.roothash=" + hash},
		{"second root hash, systemd", Options{Style: StyleSystemd, Wrong: Wrong{AlsoRootHash: hash}}, ".cmdline", " roothash=" + hash},
		{"no command line", Options{Wrong: Wrong{Omit: []string{".cmdline"}}}, ".cmdline", ""},
		{"no os-release", Options{Wrong: Wrong{Omit: []string{".osrel", ".linux"}}}, ".osrel", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Version = "1.0.0"
			r := mustBuild(t, t.TempDir(), test.options)
			got, found := readSections(t, r.Efiboot)[test.section]
			if found != (test.want != "") || !strings.Contains(got, test.want) {
				t.Errorf("%s is %q, want %q", test.section, got, test.want)
			}
			checkSignature(t, r.Efiboot, false)
			verify(t, r.Core, r.Verity)
			if second := test.options.Wrong.AlsoRootHash; second != "" && !strings.Contains(got, "roothash="+r.Verity.RootHash) {
				t.Errorf("the right root hash is gone: %q", got)
			}
		})
	}
}

func TestWrongComment(t *testing.T) {
	r := mustBuild(t, t.TempDir(), Options{Version: "1.0.0", Wrong: Wrong{Comment: "1.0.1"}})
	for _, path := range []string{r.Core, r.Efiboot} {
		if signature := string(read(t, path+".sig")); !strings.Contains(signature, "\ntrusted comment: 1.0.1\n") {
			t.Errorf("%s.sig: %q", path, signature)
		}
		checkSignature(t, path, false)
	}
}

// readSections reads a PE image as the firmware does, and fails where two
// sections share a byte in memory.
func readSections(t *testing.T, path string) map[string]string {
	t.Helper()
	image, err := pe.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	sections := map[string]string{}
	slices.SortFunc(image.Sections, func(a, b *pe.Section) int { return cmp.Compare(a.VirtualAddress, b.VirtualAddress) })
	end := uint32(0)
	for _, s := range image.Sections {
		if s.VirtualAddress < end {
			t.Errorf("%s begins at %#x, before the end %#x of the section before it", s.Name, s.VirtualAddress, end)
		}
		end = s.VirtualAddress + s.VirtualSize
		content, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		sections[s.Name] = string(content[:min(len(content), int(s.VirtualSize))])
	}
	return sections
}
