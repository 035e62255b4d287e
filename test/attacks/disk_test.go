// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/lvm/lvmtest"
	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
)

func entryOf(version string) string { return machine.Entries + "/clipos-" + version + ".efi" }

func errorLine(stderr string) (line, name string, err error) { return machine.ErrorLine(stderr) }

func itoa(n int) string { return strconv.Itoa(n) }

// onLVM gives the machine a volume group of the real tools, with the running
// system in it, in place of the folder of image files.
func (v *victim) onLVM() {
	v.Helper()
	v.must(os.MkdirAll(v.at("usr/real"), 0o755))
	lvmtest.AddGroup(v, v.root, "mainvg", 32<<20)
	v.replaceIn("usr/lib/updater/config.toml", "\"directory\"\ndestination = \"/volumes\"\nsize = \"2M\"", "\"lvm\"\ndestination = \"mainvg\"\nsize = \"4M\"")
	v.must(os.RemoveAll(v.at(machine.Volumes)), os.Remove(v.at(entryOf(fallback))))
	v.hasVolume(running, "4M")
	v.before = nil
}

func (v *victim) lvm(args ...string) { lvmtest.LVM(v, v.root, args...) }

// hasVolume makes a logical volume with a version's image, and its entry.
func (v *victim) hasVolume(version, size string) {
	v.Helper()
	v.lvm("lvcreate", "--yes", "--size", size, "--name", "core_"+version, "mainvg")
	dist := filepath.Join(webroot, "dist", version, "clipos-")
	core, err := os.ReadFile(dist + "core")
	v.must(err)
	efiboot, err := os.ReadFile(dist + "efiboot")
	v.must(err)
	f, err := os.OpenFile(v.at("dev/mainvg/core_"+version), os.O_WRONLY, 0)
	v.must(err)
	_, err = f.Write(core)
	v.must(err, f.Sync(), f.Close())
	v.write(entryOf(version), string(efiboot))
}

// onlyBoots asserts that there are the boot entries of these versions alone.
func (v *victim) onlyBoots(versions ...string) {
	v.Helper()
	files, err := os.ReadDir(v.at(machine.Entries))
	v.must(err)
	var want, found []string
	for _, version := range versions {
		want = append(want, filepath.Base(entryOf(version)))
	}
	for _, f := range files {
		found = append(found, f.Name())
	}
	if !slices.Equal(found, want) {
		v.Errorf("entries %q, want %q", found, want)
	}
}

func (v *victim) updatesOnLVM() {
	v.Helper()
	v.serves(tlsserver.Files(webroot))
	if o := v.run(); o.exit != 0 {
		v.Fatalf("the honest update: %s", o.stderr)
	}
	if !strings.HasPrefix(v.read("dev/mainvg/core_"+offered), genuine(v.T, webroot, "core")) {
		v.Error("the volume is not the image")
	}
	v.onlyBoots(running, offered)
}

// Real volume groups: what is refused changes neither their metadata nor a
// byte of a volume.
func TestVolumeGroup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(v *victim)
		want   string
	}{
		"group missing":        {func(v *victim) { v.replaceIn("usr/lib/updater/config.toml", "mainvg", "othervg") }, "VolumeGroupNotFound"},
		"group full":           {func(v *victim) { v.lvm("lvcreate", "--yes", "--size", "24M", "--name", "data", "mainvg") }, "NoSpaceVolumeGroup"},
		"spare volume mounted": {func(v *victim) { v.hasVolume(fallback, "4M"); lvmtest.Mount(v, v.at("dev/mainvg/core_"+fallback)) }, "VolumeInUse"},
		"spare volume held open": {func(v *victim) {
			v.hasVolume(fallback, "4M")
			fd, err := unix.Open(v.at("dev/mainvg/core_"+fallback), unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0)
			v.must(err)
			v.Cleanup(func() { unix.Close(fd) })
		}, "VolumeInUse"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			v.onLVM()
			c.change(v)
			v.refuses(c.want, name)
		})
	}
}

// Volumes that are files, as they are tried out with.
func TestVolumeFile(t *testing.T) {
	t.Parallel()
	spare := machine.Volumes + "/core_" + fallback
	remade := func(make func(v *victim) error) func(v *victim) {
		return func(v *victim) { v.must(os.Remove(v.at(spare)), make(v)) }
	}
	for name, c := range map[string]struct {
		change func(v *victim)
		want   string
	}{
		"folder missing": {func(v *victim) { v.must(os.Rename(v.at(machine.Volumes), v.at("elsewhere"))) }, "VolumeGroupNotFound"},
		"mounted":        {func(v *victim) { lvmtest.Mount(v, v.at(spare)) }, "VolumeInUse"},
		"on a loop":      {func(v *victim) { lvmtest.AttachLoop(v, v.at(spare)) }, "VolumeInUse"},
		"held open": {func(v *victim) {
			f, err := os.Open(v.at(spare))
			v.must(err)
			v.Cleanup(func() { f.Close() })
		}, "VolumeInUse"},
		"too small":       {func(v *victim) { v.must(os.Truncate(v.at(spare), 1000)) }, "VolumeTooSmall"},
		"empty":           {func(v *victim) { v.must(os.Truncate(v.at(spare), 0)) }, "VolumeTooSmall"},
		"a link":          {remade(func(v *victim) error { return os.Symlink("core_"+running, v.at(spare)) }), "VolumeInUse"},
		"a dangling link": {remade(func(v *victim) error { return os.Symlink("../etc/new", v.at(spare)) }), "VolumeInUse"},
		"a hard link":     {remade(func(v *victim) error { return os.Link(v.at(machine.Volumes+"/core_state"), v.at(spare)) }), "VolumeInUse"},
		"a FIFO":          {remade(func(v *victim) error { return unix.Mkfifo(v.at(spare), 0o600) }), "VolumeInUse"},
		"a folder":        {remade(func(v *victim) error { return os.Mkdir(v.at(spare), 0o700) }), "VolumeInUse"},
		"a device": {remade(func(v *victim) error {
			return unix.Mknod(v.at(spare), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
		}), "VolumeInUse"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			c.change(v)
			v.refuses(c.want, name)
		})
	}
}

// A disk with room for less than the image.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	mount := func(v *victim, path, size string, files ...string) {
		content := map[string]string{}
		for _, f := range files {
			content[f] = v.read(path + "/" + f)
		}
		v.must(unix.Mount("tmpfs", v.at(path), "tmpfs", 0, "mode=0700,size="+size))
		v.Cleanup(func() { unix.Unmount(v.at(path), unix.MNT_DETACH) })
		for f, text := range content {
			v.write(path+"/"+f, text)
			v.must(os.Chmod(v.at(path+"/"+f), 0o600))
		}
	}
	for name, c := range map[string]struct {
		change func(v *victim)
		want   string
	}{
		"cache": {func(v *victim) { mount(v, cacheDir, "128k") }, "NoSpaceCache"},
		"state": {func(v *victim) {
			mount(v, stateDir, "128k", "state.json", "lock")
			v.must(os.Mkdir(v.at(cacheDir), 0o700))
		}, "NoSpaceCache"},
		"ESP": {func(v *victim) { // has room for two entries and a half
			mount(v, machine.Entries, "300k", "clipos-"+running+".efi")
			v.write(machine.Entries+"/debian.efi", strings.Repeat("x", 150<<10))
		}, "NoSpaceESP"},
		"volumes": {func(v *victim) {
			v.must(os.RemoveAll(v.at(machine.Volumes)), os.Mkdir(v.at(machine.Volumes), 0o755))
			mount(v, machine.Volumes, "64k")
			v.must(os.WriteFile(v.at(machine.Volumes+"/core_"+running), nil, 0o600))
		}, "NoSpaceVolumeGroup"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			c.change(v)
			v.refuses(c.want, name)
		})
	}
}

// An ESP that is not there, cannot be written, or is not one.
func TestESP(t *testing.T) {
	t.Parallel()
	tmpfs := func(v *victim, flags uintptr) {
		v.must(unix.Mount("tmpfs", v.at("mnt/efiboot"), "tmpfs", 0, "mode=0755"))
		v.Cleanup(func() { unix.Unmount(v.at("mnt/efiboot"), unix.MNT_DETACH) })
		for _, version := range []string{running, fallback} {
			data, err := os.ReadFile(filepath.Join(webroot, "dist", version, "clipos-efiboot"))
			v.must(err)
			v.write(entryOf(version), string(data))
		}
		v.must(unix.Mount("", v.at("mnt/efiboot"), "", unix.MS_REMOUNT|flags, ""))
	}
	for name, change := range map[string]func(v *victim){
		"missing": func(v *victim) { v.must(os.RemoveAll(v.at(machine.Entries))) },
		"a file": func(v *victim) {
			v.must(os.RemoveAll(v.at(machine.Entries)), os.WriteFile(v.at(machine.Entries), nil, 0o600))
		},
		"a link": func(v *victim) {
			v.must(os.Rename(v.at(machine.Entries), v.at("elsewhere")), os.Symlink("../../../elsewhere", v.at(machine.Entries)))
		},
		"read-only":   func(v *victim) { tmpfs(v, unix.MS_RDONLY) },
		"not mounted": func(v *victim) { v.becomesReal() },
		"not FAT":     func(v *victim) { tmpfs(v, 0); v.becomesReal() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			change(v)
			v.refuses("ESPNotMounted", name)
		})
	}
}

// becomesReal makes the folder the whole machine, as chroot(2) has it: only of
// a real one the ESP has to be a partition of its own.
func (v *victim) becomesReal() {
	v.Helper()
	in, err := os.Open(filepath.Join(programs, "updaterd"))
	v.must(err)
	defer in.Close()
	out, err := os.OpenFile(v.at("updaterd"), os.O_WRONLY|os.O_CREATE, 0o755)
	v.must(err)
	_, err = io.Copy(out, in)
	v.must(err, out.Close())
	v.inChroot = true
}

// What lies in the folder of boot entries and is not ours survives an update,
// and an update that fails: whatever its name resembles.
func TestForeignEntries(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	uki := genuine(t, webroot, "efiboot")
	foreign := []string{
		"shim.efi", "debian-6.1.0.efi", "clipos.efi", "clipos-server-5.0.0.efi", "clipos-server-5.0.0+3.efi", "xclipos-5.0.0.efi", "Clipos-5.0.0-alpha.0.efi",
		"clipos-5.0.0-ALPHA.0.efi", "clipos-5.0.efi", "clipos-latest.efi", "clipos-5.0.0-alpha.0.efi.bak", "clipos-5.0.0-alpha.0.efi.new.new", "clipos-5.0.0-alpha.0.conf",
		"clipos-5.0.0-alpha.0+x.efi", "clipos-5.0.0-alpha.0+3-x.efi", "clipos-5.0.0-alpha.0+3-1-1.efi", "clipos-5.0.0-alpha.0 .efi", "clipos_5.0.0-alpha.0.efi", "clipos-.efi",
		".clipos-5.0.0-alpha.0.efi", "auto-windows.efi", "-rf", "--help.efi", "a b.efi", "clipos-5.0.0-alpha.0\n.efi", "clipos-05.0.0.efi", "clipos-v5.0.0.efi",
	}
	for _, name := range foreign {
		v.write(machine.Entries+"/"+name, uki)
		v.write("mnt/efiboot/EFI/"+name, "in another folder")
	}
	v.must(
		os.Mkdir(v.at(machine.Entries+"/clipos-4.0.0.efi"), 0o755),
		os.WriteFile(v.at(machine.Entries+"/clipos-4.0.0.efi/kept"), []byte("x"), 0o600),
		os.Mkdir(v.at(machine.Entries+"/folder"), 0o755),
		os.Symlink("shim.efi", v.at(machine.Entries+"/clipos-4.0.1.efi")),
		unix.Mkfifo(v.at(machine.Entries+"/clipos-4.0.2.efi"), 0o600),
		os.WriteFile(v.at(machine.Entries+"/clipos-"+running+"+2-1.efi"), []byte(uki), 0o600),
	)
	v.forges("core", body("x"))
	v.refuses("SignatureInvalid", "an update that fails")
	tried.Add(int64(len(foreign)))
	before := take(t, v.root)
	v.updates()
	after := take(t, v.root)
	for _, change := range after.since(before) {
		path, _, _ := strings.Cut(change, ": ")
		if strings.HasPrefix(path, "mnt/") && path != entryOf(offered) && path != entryOf(fallback) && path != machine.Entries {
			t.Error(change)
		}
	}
}

// The place of the new entry is taken by what is not ours.
func TestEntryNameTaken(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(path string) error{
		"a folder": func(path string) error { return os.Mkdir(path, 0o755) },
		"a link":   func(path string) error { return os.Symlink("clipos-"+running+".efi", path) },
		"a FIFO":   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"another spelling": func(path string) error {
			return os.WriteFile(strings.Replace(path, "clipos-", "CLIPOS-", 1), []byte("x"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			v.must(plant(v.at(entryOf(offered))))
			v.refuses("WriteFailed", name)
		})
	}
}

// A release that fits nowhere is no reason to touch anything.
func TestImageTooLargeForVolume(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.serves(tlsserver.Files(build(t, release.Options{SizeBytes: 3 << 20, NoErrorCorrection: true})))
	v.refuses("VolumeTooSmall", "an image larger than the volume")
	v.forges("core", getOnly(fileOf(build(t, release.Options{SizeBytes: 3 << 20, NoErrorCorrection: true}), distDir+"core")))
	v.refuses("VolumeTooSmall", "an image larger than the volume, length not known before")
	v.updates()
}
