// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/tlsserver"
)

// plants are what somebody puts where a file of ours is expected.
var plants = map[string]func(path, target string) error{
	"a symbolic link":      func(path, target string) error { return os.Symlink(target, path) },
	"a dangling link":      func(path, target string) error { return os.Symlink(target+".missing", path) },
	"a link to a folder":   func(path, target string) error { return os.Symlink(filepath.Dir(target), path) },
	"a link to the volume": func(path, _ string) error { return os.Symlink("../../../../volumes/core_"+running, path) },
	"a link to itself":     func(path, _ string) error { return os.Symlink(filepath.Base(path), path) },
	"a hard link":          func(path, target string) error { return os.Link(target, path) },
	"a FIFO":               func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
	"a folder":             func(path, _ string) error { return os.Mkdir(path, 0o700) },
	"a device":             func(path, _ string) error { return unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))) },
	"a socket":             func(path, _ string) error { return unix.Mknod(path, unix.S_IFSOCK|0o600, 0) },
	"a file of another user": func(path, _ string) error {
		return errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chown(path, dbustest.Nobody, dbustest.Nobody))
	},
	"a hard link to the volume": func(path, target string) error {
		return os.Link(filepath.Join(filepath.Dir(target), "../volumes/core_"+running), path)
	},
}

// What is planted in the cache, for a payload or what belongs to it, is
// refused by name; what it leads to stays as it is.
func TestPlantedInCache(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.keepsCache = true
	v.write("etc/shadow", "what must not change")
	for _, name := range []string{offered + "-core", offered + "-core.validator", offered + "-efiboot", offered + "-efiboot.validator"} {
		for kind, plant := range plants {
			v.clearCache()
			path := v.at(cacheDir + "/" + name)
			v.must(plant(path, v.at("etc/shadow")))
			v.refuses("WriteFailed", kind+" for "+name)
			v.must(os.RemoveAll(path))
		}
	}
	v.updates()
}

// The cache and the state folder themselves are ours alone, or not used.
func TestPlantedFolder(t *testing.T) {
	t.Parallel()
	elsewhere := func(v *victim) string {
		path := v.at("elsewhere")
		v.must(os.MkdirAll(path, 0o700))
		return path
	}
	for name, plant := range map[string]func(v *victim) error{
		"cache is a link":          func(v *victim) error { return os.Symlink(elsewhere(v), v.at(cacheDir)) },
		"cache is a dangling link": func(v *victim) error { return os.Symlink("missing", v.at(cacheDir)) },
		"cache is a file":          func(v *victim) error { return os.WriteFile(v.at(cacheDir), nil, 0o600) },
		"cache is a FIFO":          func(v *victim) error { return unix.Mkfifo(v.at(cacheDir), 0o700) },
		"cache open to all": func(v *victim) error {
			return errors.Join(os.Mkdir(v.at(cacheDir), 0o700), os.Chmod(v.at(cacheDir), 0o777))
		},
		"cache open to a group": func(v *victim) error {
			return errors.Join(os.Mkdir(v.at(cacheDir), 0o700), os.Chmod(v.at(cacheDir), 0o770))
		},
		"cache of another user": func(v *victim) error {
			return errors.Join(os.Mkdir(v.at(cacheDir), 0o700), os.Chown(v.at(cacheDir), dbustest.Nobody, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			v.keepsCache = true
			v.must(os.Remove(v.at(cacheDir)), plant(v))
			v.refuses("WriteFailed", name)
			v.must(os.RemoveAll(v.at(cacheDir)))
			v.updates()
		})
	}
}

// hookLVM runs a piece of shell in the machine's root whenever a volume is
// renamed or created: when all is verified and nothing is written yet.
func (v *victim) hookLVM(shell string) {
	v.Helper()
	v.must(os.Rename(v.at("usr/sbin/lvm"), v.at("usr/real/lvm")))
	v.write("usr/sbin/lvm", "#!/bin/sh\nset -e\ncase $1 in lvrename | lvcreate) (cd '"+v.root+"'\n"+shell+") >&2 ;; esac\nexec '"+v.at("usr/real/lvm")+"' \"$@\"\n")
	v.must(os.Chmod(v.at("usr/sbin/lvm"), 0o755))
}

// The cache is changed after it was verified, through its own inode, before it
// is written: what was written is read back, found to be another image, and
// never gets a boot entry. That the fallback is gone by then is the price.
func TestCacheChangedAfterVerifying(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"a byte":     "printf x | dd of=" + cacheDir + "/" + offered + "-core bs=1 seek=100000 conv=notrunc",
		"first byte": "printf x | dd of=" + cacheDir + "/" + offered + "-core bs=1 conv=notrunc",
		"last byte":  "f=" + cacheDir + "/" + offered + "-core; printf x | dd of=$f bs=1 seek=$(($(stat -c %s $f) - 1)) conv=notrunc",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			v.onLVM()
			v.hasVolume(fallback)
			v.hookLVM(change)
			v.overwrittenInVain("ReadBackMismatch", name)
			v.must(os.Rename(v.at("usr/real/lvm"), v.at("usr/sbin/lvm")))
			v.updatesOnLVM()
		})
	}
}

// overwrittenInVain runs an update that fails while the fallback is being
// overwritten: the running system is as it was, and no other boots.
func (v *victim) overwrittenInVain(want, attack string) {
	v.Helper()
	tried.Add(1)
	runningVolume, entry := v.read("dev/mainvg/core_"+running), v.read(entryOf(running))
	o := v.run()
	if _, name, err := machine.ErrorLine(o.stderr); o.exit != 1 || err != nil || name != want {
		v.Fatalf("%s: exit status %d, %v, want (%s)\n%s", attack, o.exit, err, want, o.stderr)
	}
	if v.read("dev/mainvg/core_"+running) != runningVolume || v.read(entryOf(running)) != entry {
		v.Errorf("%s: the running system changed", attack)
	}
	v.onlyBoots(running)
	if _, err := os.Stat(v.at("run/update_ready")); err == nil {
		v.Errorf("%s: there is a marker", attack)
	}
	if o.memoryBytes > maxMemoryBytes {
		v.Errorf("%s: %d MiB of memory", attack, o.memoryBytes>>20)
	}
}

// A forged image that is in the cache already, as large as the genuine one and
// with the server's own tag beside it, counts for nothing: it is verified like
// one just fetched, and a server that then has no more keeps it out too.
func TestPoisonedCache(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.keepsCache = true
	forged := flipped(genuine(t, webroot, "core"), 70000)
	plant := func() {
		v.must(os.WriteFile(v.at(cacheDir+"/"+offered+"-core"), []byte(forged), 0o600))
		v.must(os.WriteFile(v.at(cacheDir+"/"+offered+"-core.validator"), []byte(`"a"`), 0o600))
	}
	same := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"a"`)
		if r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", "bytes */"+strconv.Itoa(len(forged)))
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		body(forged)(w, r)
	}
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want string
	}{
		"the server agrees":       {same, "SignatureInvalid"},
		"the server has no more":  {status(http.StatusNotModified), "ServerError"},
		"the server has it not":   {status(http.StatusNotFound), "ServerError"},
		"the server sends no end": {endless("x"), "ResponseTooLarge"},
	} {
		plant()
		v.forges("core", c.h)
		v.refuses(c.want, name)
	}
	plant()
	v.serves(tlsserver.Files(webroot))
	v.updates()
}
