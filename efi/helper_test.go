// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	stubFile = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
	product  = "clipos"
)

// tool runs a program of a Debian package.
func tool(t testing.TB, debianPackage, path string, args ...string) {
	t.Helper()
	command := exec.Command(path, args...)
	command.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	output, err := command.CombinedOutput()
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%v (Debian package %s)", err, debianPackage)
	}
	if err != nil {
		t.Fatalf("%s: %v: %s", path, err, output)
	}
}

// part is a section of an image to be built.
type part struct{ name, content string }

// buildImage adds sections to systemd's stub, in that order in file and memory.
func buildImage(t testing.TB, parts ...part) []byte {
	t.Helper()
	if _, err := os.Stat(stubFile); err != nil {
		t.Fatalf("%v (Debian package systemd-boot-efi)", err)
	}
	dir := t.TempDir()
	var args []string
	address := int64(0x100000)
	for i, p := range parts {
		file := filepath.Join(dir, strconv.Itoa(i))
		writeFile(t, file, []byte(p.content))
		args = append(args, "--add-section", p.name+"="+file,
			"--change-section-vma", p.name+"=0x"+strconv.FormatInt(address, 16))
		address += int64(len(p.content)) + 0x100000
	}
	out := filepath.Join(dir, "image")
	tool(t, "binutils", "/usr/bin/objcopy", append(args, stubFile, out)...)
	return readFile(t, out)
}

// buildUKI makes an image as it is booted, 200 KB of it a kernel.
func buildUKI(t testing.TB, release string) []byte {
	t.Helper()
	return buildImage(t,
		part{".osrel", release},
		part{".cmdline", "root=/dev/mapper/verity_core rd.verity.roothash=0123\n"},
		part{".linux", strings.Repeat("kernel\n", 20_000)},
		part{".initrd", strings.Repeat("initrd\n", 9_000)})
}

func osRelease(version string) string {
	return "ID=clipos-efiboot\nNAME=\"CLIP OS\"\nVERSION=\"" + version + "\"\nVERSION_ID=\"" + version + "\"\n"
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// snapshot is all that a folder holds: file contents, targets of links, kinds.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch d.Type() {
		case 0:
			all[name] = "file " + string(readFile(t, path))
		case fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			all[name] = "link " + target
		default:
			all[name] = d.Type().String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantSnapshot compares and names what differs, not the bytes.
func wantSnapshot(t testing.TB, dir string, want map[string]string) {
	t.Helper()
	got := snapshot(t, dir)
	for name, content := range want {
		if other, found := got[name]; !found {
			t.Errorf("%s is gone", name)
		} else if other != content {
			t.Errorf("%s is another: %d bytes instead of %d", name, len(other), len(content))
		}
	}
	for name := range got {
		if _, found := want[name]; !found {
			t.Errorf("%s is there", name)
		}
	}
}

// with returns a copy of a snapshot with one more file.
func with(all map[string]string, name string, content []byte) map[string]string {
	more := without(all, "")
	more[name] = "file " + string(content)
	return more
}

func without(all map[string]string, name string) map[string]string {
	less := make(map[string]string, len(all))
	for n, content := range all {
		if n != name {
			less[n] = content
		}
	}
	return less
}

// foreign fills a folder with all that is not ours, and two entries that are.
func foreign(t testing.TB, dir string) {
	t.Helper()
	for _, name := range []string{
		"clipos-5.0.0-alpha.1.efi", "clipos-5.0.0-alpha.0.efi", // ours
		"debian-12.efi", "clipos.efi", "clipos-.efi", "clipos-server-5.0.0.efi", "clipos2-5.0.0.efi",
		"clipos-5.0.0.efi.bak", "clipos-5.0.0.EFI", "CLIPOS-5.1.0.EFI", "clipos-5.0.0-RC.1.efi",
		"clipos-5.0.0+instrumented.efi", "clipos-5.0.0-alpha.1+3.conf", "README.txt",
	} {
		writeFile(t, filepath.Join(dir, name), []byte("content of "+name))
	}
	for _, name := range []string{"clipos-7.0.0.efi", "clipos-7.0.1.efi.new", "Debian"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "Debian", "clipos-5.0.0.efi"), []byte("in a folder"))
	for name, target := range map[string]string{
		"clipos-8.0.0.efi": "debian-12.efi", "clipos-8.0.1.efi.new": "debian-12.efi", "clipos-8.0.2.efi": "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "clipos-9.0.0.efi"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// mountTemporary mounts a file system for one test.
func mountTemporary(t *testing.T, args ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	dir := t.TempDir()
	tool(t, "mount", "/usr/bin/mount", append(slices.Clone(args), dir)...)
	t.Cleanup(func() { tool(t, "mount", "/usr/bin/umount", dir) })
	return dir
}

// mountExt4 mounts an image file as ext4 and returns both.
func mountExt4(t *testing.T, sizeBytes int64, options ...string) (dir, image string) {
	t.Helper()
	image = filepath.Join(t.TempDir(), "image")
	writeFile(t, image, nil)
	if err := os.Truncate(image, sizeBytes); err != nil {
		t.Fatal(err)
	}
	tool(t, "e2fsprogs", "/usr/sbin/mkfs.ext4", append(options, "-q", image)...)
	// The kernel frees the loop device when it is unmounted.
	return mountTemporary(t, "-o", "loop", image), image
}

func entryNamed(t testing.TB, s Survey, file string) Entry {
	t.Helper()
	i := slices.IndexFunc(s.Entries, func(e Entry) bool { return e.File == file })
	if i < 0 {
		t.Fatalf("%s is not listed", file)
	}
	return s.Entries[i]
}

func survey(t testing.TB, p *Partition) Survey {
	t.Helper()
	s, err := p.Survey()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// half is the first half of an image: its headers and some sections.
func half(image []byte) []byte { return bytes.Clone(image[:len(image)/2]) }
