// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clipos/updater/dbusapi/dbustest"
)

const (
	configFile    = "usr/lib/updater/config.toml"
	keyFile       = "usr/lib/updater/pubkey"
	remoteFile    = "etc/updater/remote.toml"
	rootsFile     = "etc/updater/rootca.pem"
	osReleaseFile = "etc/os-release"
	machineIDFile = "etc/machine-id"
)

// refusesFiles tries contents in the place of a file, each of which must be
// ConfigInvalid, and puts the old one back.
func (v *victim) refusesFiles(file string, contents map[string]string) {
	v.Helper()
	good := v.read(file)
	for name, content := range contents {
		v.write(file, content)
		v.refuses("ConfigInvalid", file+": "+name)
	}
	v.write(file, good)
	if got := v.server.Requests(); len(got) > 0 {
		v.Fatalf("%s: the server was asked: %v", file, got)
	}
}

// Texts of the running system that get into requests, file names and paths.
func TestFactsOfTheSystem(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	releases := map[string]string{
		"empty": "", "no version": "ID=clipos\n", "not UTF-8": "ID=clipos\nVERSION_ID=5.0.0-\xff\n", "a NUL": "VERSION_ID=5.0.0\x00\n",
		"1 MiB": strings.Repeat("#\n", 1<<19) + "VERSION_ID=5.0.0\n", "an expansion": "VERSION_ID=$(reboot)\n", "a variable": "VERSION_ID=$HOME\n",
		"a backquote": "VERSION_ID=`reboot`\n", "two words": "VERSION_ID=5.0.0 reboot\n", "an open quote": "VERSION_ID=\"5.0.0\n",
		"carriage returns": "ID=clipos\r\nVERSION_ID=5.0.0\r\n", "a line break in quotes": "VERSION_ID=\"5.0.0\nX=1\"\n",
	}
	for _, version := range []string{"5.0.0\\r\\nX-Evil: 1", "../../etc", "5.0.0/..", "5", "5.0", "v5.0.0", "5.0.0-", "5.0.0\\n", "5.0.0\x1b[2J", "-5.0.0", "5.0.0-é"} {
		releases[fmt.Sprintf("version %q", version)] = "ID=clipos\nVERSION_ID=\"" + version + "\"\n"
	}
	v.refusesFiles(osReleaseFile, releases)
	id := strings.Repeat("0123456789abcdef", 2)
	v.refusesFiles(machineIDFile, map[string]string{
		"empty": "", "a line feed": "\n", "uninitialised": "uninitialized\n", "too short": id[1:] + "\n", "too long": id + "0\n", "two lines": id + "\n" + id + "\n",
		"a header behind": id + "\r\nX-Evil: 1\n", "a carriage return": id + "\r\n", "not hexadecimal": "g" + id[1:] + "\n", "a blank": " " + id[1:] + "\n",
		"with hyphens": "01234567-89ab-cdef-0123-456789abcdef\n", "a NUL": id + "\x00", "not UTF-8": id[1:] + "\xff\n", "1 MiB": strings.Repeat(id, 1<<15),
		"empty line before": "\n" + id + "\n",
	})
	v.updates()
}

// What the image says about itself: names that would become options, paths
// or something else to the tools.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	good := v.read(configFile)
	contents := map[string]string{
		"empty": "", "not TOML": "<html>", "a NUL": good + "\x00", "1 MiB": good + strings.Repeat("#\n", 1<<19),
		"an unknown key": good + "verify = false\n", "an unknown table": good + "[signature]\nrequired = false\n", "trust, misspelt": good + "[trust]\ncontent_bindings = true\n",
		"trust in capitals": good + "[trust]\nContent_Binding = false\n", "trust twice": good + "[trust]\nprehashed_only = true\n[trust]\nprehashed_only = false\n",
		"a truth that is a text": good + "[trust]\nprehashed_only = \"false\"\n", "another truth": good + "[trust]\ncontent_binding = 0\n",
		"a parameter with a blank": good + "[trust]\nroot_hash_parameter = \"a b\"\n",
	}
	for _, name := range []string{
		"-x", "--foo", "", " ", "Clipos", "clip os", "clip/os", "../clipos", "clipos\\n", "clipos\\r\\nX: 1", "clipos\\u0000", "clipöos", "%PATH%", "$HOME", "$(reboot)", "clip;os",
		"9clipos", ".", "..", "clipos.efi", "clip_os", strings.Repeat("a", 33),
	} {
		contents[fmt.Sprintf("os_name %q", name)] = strings.Replace(good, `os_name = "clipos"`, `os_name = "`+name+`"`, 1)
	}
	for _, group := range []string{
		"--foo", "-f", "", ".", "..", "a/b", "/dev/sda", "a b", "a;reboot", "a\\nb", "@tag", "a\\u0000", "ä", "$(reboot)", strings.Repeat("g", 128),
	} {
		contents[fmt.Sprintf("volume group %q", group)] = strings.Replace(good, "\"directory\"\ndestination = \"/volumes\"", "\"lvm\"\ndestination = \""+group+"\"", 1)
	}
	for _, path := range []string{"volumes", "./volumes", "", "~/volumes", "\\u0000/x"} {
		contents[fmt.Sprintf("folder %q", path)] = strings.Replace(good, `"/volumes"`, `"`+path+`"`, 1)
		contents[fmt.Sprintf("ESP %q", path)] = strings.Replace(good, `"/mnt/efiboot/EFI/Linux"`, `"`+path+`"`, 1)
	}
	for _, size := range []string{"", "0", "-1G", "+4G", "4", "4X", "4G;x", "99999999999999999999G", "100%FREE", "--yes", "4 G", "1e9", "NaN"} {
		contents[fmt.Sprintf("size %q", size)] = strings.Replace(good, `"2M"`, `"`+size+`"`, 1)
	}
	for _, more := range []string{"boot_tries = -1", "boot_tries = 100", "boot_tries = 1.5", "boot_order = \"never\"", "boot_order = \"\""} {
		contents[more] = good + more + "\n"
	}
	v.refusesFiles(configFile, contents)
	v.refusesFiles(remoteFile, remotes(v.read(remoteFile)))
	v.updates()
}

func remotes(good string) map[string]string {
	contents := map[string]string{"empty": "", "one address": strings.SplitAfter(good, "\n")[0], "an unknown key": good + "proxy = \"x\"\n", "a key in capitals": good + "Dist_URL = \"https://evil\"\n"}
	for _, url := range []string{
		"", "http://127.0.0.1", "HTTP://127.0.0.1", "ftp://127.0.0.1", "file:///etc", "//127.0.0.1", "127.0.0.1", "https://", "https:///x", "https:127.0.0.1", "https://user@127.0.0.1",
		"https://user:secret@127.0.0.1", "https://127.0.0.1?x", "https://127.0.0.1#x", "https://127.0.0.1\\r\\nX: 1", "https://127.0.0.1/\\u0000", "https://[::1", "https://%zz", "javascript:x",
	} {
		contents[fmt.Sprintf("address %q", url)] = fmt.Sprintf("update_url = \"%s\"\ndist_url = \"https://127.0.0.1\"\n", url)
	}
	return contents
}

// No key, none that is one, or one that anybody can sign for: refused, never
// taken for "nothing to check".
func TestKey(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	good := v.read(keyFile)
	v.refusesFiles(keyFile, map[string]string{
		"empty": "", "a line feed": "\n", "a comment alone": "untrusted comment: none\n", "garbage": "garbage\n", "a web page": "<html></html>\n",
		"zeros":                    "RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
		"the neutral point":        "RWQAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
		"two keys":                 good + good,
		"cut short":                good[:len(good)-10] + "\n",
		"another algorithm":        strings.Replace(good, "RW", "RX", 1),
		"1 MiB":                    strings.Repeat(good, 1<<20/len(good)),
		"a secret key":             "untrusted comment: minisign encrypted secret key\n" + strings.Repeat("A", 212) + "\n",
		"a key and something else": good + "x",
	})
	v.refusesFiles(rootsFile, map[string]string{
		"empty": "", "garbage": "garbage", "a key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "2 MiB": strings.Repeat("x", 2<<20),
	})
	v.updates()
}

// Files that decide what is trusted, missing, of another user, open to others,
// or not files.
func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for _, file := range []string{configFile, keyFile, remoteFile, rootsFile} {
		path := v.at(file)
		for name, change := range map[string]func() error{
			"missing":               func() error { return nil },
			"a folder":              func() error { return os.Mkdir(path, 0o755) },
			"a FIFO":                func() error { return unix.Mkfifo(path, 0o644) },
			"a device":              func() error { return unix.Mknod(path, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))) },
			"a dangling link":       func() error { return os.Symlink("missing", path) },
			"a link to itself":      func() error { return os.Symlink(filepath.Base(path), path) },
			"writable by others":    func() error { return errors.Join(os.Link(path+".good", path), os.Chmod(path, 0o666)) },
			"writable by the world": func() error { return errors.Join(os.Link(path+".good", path), os.Chmod(path, 0o602)) },
		} {
			v.must(os.Rename(path, path+".good"), change())
			v.refuses("ConfigInvalid", file+": "+name)
			v.must(os.RemoveAll(path), os.Rename(path+".good", path), os.Chmod(path, 0o644))
		}
		if file == configFile || file == keyFile {
			v.must(os.Chown(path, dbustest.Nobody, 0))
			v.refuses("ConfigInvalid", file+": of another user")
			v.must(os.Chown(path, 0, 0))
		}
	}
	for _, folder := range []string{"usr/lib/updater", "etc/updater"} {
		v.must(os.Chmod(v.at(folder), 0o777))
		v.refuses("ConfigInvalid", folder+": writable by others")
		v.must(os.Chmod(v.at(folder), 0o755))
	}
	v.updates()
}
