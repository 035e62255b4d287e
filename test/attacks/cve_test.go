// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
)

// Faults of other updaters, each tried here in the form that it could have in
// this one. What is said about them is from their public descriptions.

// apt took an error while it read a signed file, memory that ran out, for the
// file's end, and split off something unsigned. Here a connection ends where a
// whole signature has arrived, but not all that was announced; and a line is
// longer than any there can be.
func TestCVE_2016_1252(t *testing.T) {
	t.Parallel()
	good := genuine(t, webroot, "core.sig")
	line := strings.Repeat("A", 64<<20)
	v := newVictim(t)
	for name, text := range map[string]string{"a line before": line + "\n" + good, "a line behind": good + line, "a comment of that length": "untrusted comment: " + line + good[strings.IndexByte(good, '\n'):]} {
		v.forges("core.sig", body(text))
		v.refuses("SignatureInvalid", name)
	}
	v.updates()
	cut := map[string]*victim{"core.sig": newVictim(t), "efiboot.sig": newVictim(t)}
	together(t, cut, func(v *victim, file string) {
		good := genuine(v.T, webroot, file)
		v.forges(file, cutAfter(good+strings.Repeat("x", 100), len(good)))
		v.refuses("ServerError", file+" cut behind its fourth line")
		v.updates()
	})
}

// apt put the address of a redirection, decoded, into its own line protocol: a
// line break in it forged what the download had come to.
func TestCVE_2019_3462(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for _, file := range resources {
		for _, location := range []string{
			"/x%0a%0a201%20URI%20Done%0aFilename:%20/tmp/evil", "/x%0d%0aVerified:%20true", "https://127.0.0.1/x\tVerified", "/" + distDir + "core%00",
			"https://127.0.0.1/%0aerror:%20none%20(NoUpdate)",
		} {
			v.forges(file, status(http.StatusFound, "Location", location))
			v.refuses("ServerError", file+" to "+location)
		}
	}
	for _, r := range v.server.Requests() {
		if strings.ContainsAny(r.Path, "\n\r\x00\t") || strings.Contains(r.Path, "/x") {
			t.Errorf("%q was asked for", r.Path)
		}
	}
	v.updates()
}

// snapd took a caller's user number from a text that had the name of the
// caller's own socket in it, and a socket can be called ";uid=0;". Here the
// caller binds such a name, and says in its authentication who it is not.
func TestCVE_2019_7304(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before := s.usage()
	for _, name := range []string{";uid=0;", "uid=0;pid=1;", ":1.0", ";pid=1;uid=0;socket=/run/dbus/system_bus_socket;iface=;"} {
		from := func(n int) string { return fmt.Sprintf("@%s-%d-%d", name, os.Getpid(), n) }
		tried.Add(1)
		liar := s.bus.DialAs(t, dbustest.Nobody, from(0))
		_, err := io.WriteString(liar, "\x00AUTH EXTERNAL 30\r\n") // "0", in hexadecimal
		s.mustNot(err)
		answer := make([]byte, 100)
		n, err := liar.Read(answer)
		if s.mustNot(err); !strings.HasPrefix(string(answer[:n]), "REJECTED") {
			t.Errorf("%s: taken for root by its word: %q", name, answer[:n])
		}
		caller := s.object(dbustest.Greet(t, s.bus.DialAs(t, dbustest.Nobody, from(1)), dbustest.Nobody))
		for _, c := range rightless {
			s.refusesCall(caller, standardErrors+"AccessDenied", dbusapi.Interface+"."+c.method, c.args...)
		}
	}
	s.withstands(before)
}

// opkg's parser dropped a checksum that had a blank before it, and then there
// was none to check. Here there are blanks where none belong, in all that is
// parsed before it is verified.
func TestCVE_2020_7982(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	good := genuine(t, webroot, "core.sig")
	lines := strings.Split(good, "\n")
	for n := range 4 {
		for _, blank := range []string{" ", "\t", "\v", "\u00a0", "\x00", "\r"} {
			for where, line := range map[string]string{"before": blank + lines[n], "behind": lines[n] + blank} {
				// What follows the untrusted comment is part of it, and a
				// carriage return ends a line as minisign(1) has it.
				if n == 0 && where == "behind" || blank == "\r" && where == "behind" {
					continue
				}
				want := "SignatureInvalid"
				v.forges("core.sig", body(withLines(good, map[int]string{n + 1: line})))
				v.refuses(want, fmt.Sprintf("%q %s line %d", blank, where, n+1))
			}
		}
	}
	v.noPayload()
	for _, blank := range []string{"\v", "\f", "\u00a0", "\u2028", "\uFEFF"} {
		v.forges(versionFile, body(blank+"version = \""+offered+"\"\n"))
		v.refuses("InvalidVersion", fmt.Sprintf("%q before the version", blank))
	}
	v.updates()
}

// fwupd asked whether any signature was bad, and a file with no signature in
// it has no bad one. The same: JetKVM's updater skipped an empty one.
func TestCVE_2020_10759(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	lines := strings.Split(genuine(t, webroot, "core.sig"), "\n")
	empty := base64.StdEncoding.EncodeToString(nil)
	evil := flipped(genuine(t, webroot, "core"), 4000)
	for name, text := range map[string]string{
		"no bytes":              "",
		"no lines":              "\n\n\n",
		"comments alone":        lines[0] + "\n" + lines[2] + "\n",
		"empty signatures":      lines[0] + "\n" + empty + "\n" + lines[2] + "\n" + empty + "\n",
		"no first signature":    lines[0] + "\n\n" + lines[2] + "\n" + lines[3] + "\n",
		"no second signature":   lines[0] + "\n" + lines[1] + "\n" + lines[2] + "\n\n",
		"padding alone":         lines[0] + "\n====\n" + lines[2] + "\n====\n",
		"algorithm and id only": withBytes(t, strings.Join(lines, "\n"), 2, func(b []byte) []byte { return b[:10] }),
		"OpenPGP":               "-----BEGIN PGP SIGNATURE-----\n\n=twTO\n-----END PGP SIGNATURE-----\n",
		"a signed text, inline": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nx\n-----BEGIN PGP SIGNATURE-----\n-----END PGP SIGNATURE-----\n",
	} {
		v.serves(instead(tlsserver.Files(webroot), map[string]http.HandlerFunc{"core": body(evil), "core.sig": body(text)}))
		v.refuses("SignatureInvalid", name)
	}
	v.noPayload()
	v.updates()
}

// Python's TUF kept a root file that had failed its verification, and trusted
// it the next time because it was there. Here what was refused is met again in
// the cache, from a server that is honest by then or has nothing more to say.
func TestCVE_2020_15163(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.keepsCache = true
	for _, kind := range []string{"efiboot", "core"} {
		v.clearCache()
		forged := flipped(genuine(t, webroot, kind), 9000)
		v.forges(kind, body(forged))
		v.refuses("SignatureInvalid", kind+" at first")
		v.forges(kind, getOnly(status(http.StatusNotFound)))
		v.refuses("ServerError", kind+", and then nothing")
		v.must(os.WriteFile(v.at(cacheDir+"/"+offered+"-"+kind), []byte(forged), 0o600))
		v.refuses("ServerError", kind+" in the cache, whole")
	}
	v.updates()
}

// PackageKit installed a local file that a user named as if it came from a
// trusted repository. Here no method takes a file: not from a user, and not
// from root.
func TestCVE_2020_16122(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	before := s.usage()
	evil := s.at("tmp/evil")
	s.mustNot(os.MkdirAll(filepath.Dir(evil), 0o755), os.WriteFile(evil, []byte(genuine(t, webroot, "core")), 0o644))
	s.before = take(t, s.root)
	for _, file := range []string{evil, "file://" + evil, "../" + filepath.Base(evil), "./evil", offered + "/../../tmp/evil", "/proc/self/fd/3"} {
		s.refusesCall(s.asNobody(), standardErrors+"AccessDenied", dbusapi.Interface+".Update", file, options{})
		s.refusesCall(s.asRoot(), updaterErrors+"InvalidVersion", dbusapi.Interface+".Update", file, options{})
	}
	for _, option := range []string{"file", "path", "trusted", "allow-untrusted", "no-signature", "url"} {
		s.refusesCall(s.asRoot(), standardErrors+"InvalidArgs", dbusapi.Interface+".Update", offered, options{option: dbus.MakeVariant(evil)})
	}
	s.withstands(before)
}

// RAUC verified a bundle and opened it again to install it: who could write to
// it had that moment to exchange it. Here both payloads in the cache are
// replaced by others once they are verified, under the same names. What is
// installed is what was verified: the file is never opened a second time.
func TestCVE_2020_25860(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.onLVM()
	v.hasVolume(fallback)
	v.hookLVM("cd " + cacheDir + "\nfor f in *-core *-efiboot; do\n\thead -c 300000 /dev/zero | tr '\\0' x >$f.forged; mv $f.forged $f\ndone\ntouch ../../../../exchanged")
	tried.Add(2)
	v.updatesOnLVM()
	if _, err := os.Stat(v.at("exchanged")); err != nil {
		t.Error("the files were not exchanged:", err)
	}
	if v.read(entryOf(offered)) != genuine(t, webroot, "efiboot") {
		t.Error("the boot entry is not the one signed")
	}
}

// go-tuf made the names of local files from names that a server chose, "../"
// included. Here a server offers such versions, and signs for them.
func TestCVE_2021_41131(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for _, version := range []string{
		"../../../etc/cron.d/x", "..", "5.0.0/../../../../tmp/x", "5.0.0-../../x", "5.0.0-alpha.9/../../../../etc/shadow", "/etc/shadow", "5.0.0-%2e%2e%2fx", "5.0.0-..%2f..%2fx", "5.0.0\\\\..\\\\x", "5.0.0-\\u002e\\u002e/x",
	} {
		v.forges(versionFile, body("version = \""+version+"\"\n"))
		v.refuses("InvalidVersion", version)
		v.forges("core.sig", body(sign(t, release.PublishedKey(), genuine(t, webroot, "core"), version, false)))
		v.refuses("VersionMismatch", version+" as a comment")
	}
	// What the snapshots of the machine do not see: the folder it is in, where
	// there are numbered folders of this test and nothing else.
	others, err := filepath.Glob(filepath.Join(filepath.Dir(v.root), "*[^0-9]*"))
	if v.must(err); len(others) > 0 {
		t.Errorf("outside of the machine: %q", others)
	}
	v.updates()
}

// A second name for a program was enough to make snapd's snap-confine take it
// for another. Here the files of the state are second names of a user's file:
// it is neither believed, though it says what would end all updates, nor
// written to.
func TestCVE_2021_44730(t *testing.T) {
	t.Parallel()
	const secret = `{"highest_good": "9.9.9"}`
	for _, file := range []string{"lock", "state.json"} {
		for kind, link := range map[string]func(target, path string) error{"hard": os.Link, "symbolic": os.Symlink} {
			t.Run(kind+" link for "+file, func(t *testing.T) {
				t.Parallel()
				v := newVictim(t)
				v.write("home/secret", secret)
				path, target := v.at(stateDir+"/"+file), v.at("home/secret")
				v.must(os.Chown(target, dbustest.Nobody, dbustest.Nobody), os.Remove(path), link(target, path))
				before, err := digest(target)
				v.must(err)
				if file == "lock" && kind == "symbolic" {
					v.refuses("Internal", "a link in the lock's place")
					v.must(os.Remove(path))
				}
				tried.Add(1)
				v.updates()
				if after, err := digest(target); err != nil || after != before {
					t.Errorf("the user's file is %s, was %s", after, before)
				}
			})
		}
	}
}

// While snap-confine prepared a folder, somebody else could still exchange what
// was in it. Here somebody keeps exchanging the payloads in the cache for links
// as long as the program runs: it installs what was signed or nothing, and
// writes nowhere else.
func TestCVE_2021_44731(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.write("etc/secret", "what must not change")
	tried.Add(1)
	for range 5 {
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				path := v.at(cacheDir + "/" + offered + []string{"-core", "-efiboot", "-core.validator"}[n%3])
				os.Symlink(v.at("etc/secret"), path+".link")
				os.Rename(path+".link", path)
				os.Remove(path)
			}
		}()
		o := v.run()
		close(stop)
		<-stopped
		if v.read("etc/secret") != "what must not change" {
			t.Fatal("the target of a link was written to")
		}
		if o.exit == 0 {
			v.installed(webroot)
			break
		}
		if _, _, err := machine.ErrorLine(o.stderr); err != nil {
			t.Error(err)
		}
	}
}

// go-tuf compared the version of new metadata with zero, not with the version
// it had last. Here the highest good version is asked of the state each time:
// after a restart, with a record that says nothing or nonsense, and for every
// version between.
func TestCVE_2022_29173(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.write(stateFile, `{"highest_good": "5.0.0-alpha.3"}`)
	v.must(os.Chmod(v.at(stateFile), 0o600))
	for _, version := range []string{"5.0.0-alpha.2", "5.0.0-alpha.2.9", "5.0.0-alpha.1.1"} {
		for range 2 {
			v.offers(version)
			v.refuses("Downgrade", version)
		}
	}
	// Without the record the running version still counts.
	v.must(os.Remove(v.at(stateFile)))
	for _, version := range []string{running, fallback, "0.0.0", "4.9.9"} {
		v.offers(version)
		tried.Add(1)
		if o := v.run(); o.exit != 0 || !strings.Contains(o.stderr, "nothing to do") {
			t.Errorf("%s without a record: %s", version, o.stderr)
		}
	}
	v.noPayload()
	v.updates()
}

// electron-updater verified one file and ran another: a shell expanded the
// name of the first. Here names are such that one reader could expand them and
// another not, and the signature is a genuine one, of another file.
func TestCVE_2024_39698(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.environment = []string{"TEMP=/tmp", "VERSION=" + offered}
	for _, version := range []string{"5.0.0-%TEMP%", "%VERSION%", "$VERSION", "${VERSION}", "5.0.0-$(id)", "5.0.0-`id`", "5.0.0-*", "5.0.0-?", "~", "5.0.0-{a,b}", "5.0.0-[a]"} {
		v.offers(version)
		v.refuses("InvalidVersion", version)
	}
	for name, signedFile := range map[string]string{"of the other payload": "dist/" + offered + "/clipos-efiboot.sig", "of the running release": "dist/" + running + "/clipos-core.sig"} {
		v.serves(instead(tlsserver.Files(webroot), map[string]http.HandlerFunc{"core.sig": fileOf(webroot, signedFile)}))
		want := "SignatureInvalid"
		if strings.Contains(signedFile, running) {
			want = "VersionMismatch"
		}
		v.refuses(want, "a signature "+name)
	}
	v.updates()
}

// Mender's client (and its server's default before) could be made to install
// what nobody had signed. Here there is nothing to verify with, or everything
// that can be switched off is: what is not signed is not installed.
func TestCVE_2025_67903(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	evil := flipped(genuine(t, webroot, "core"), 8192)
	unsigned := map[string]http.HandlerFunc{"core": body(evil), "core.sig": status(http.StatusNotFound), "efiboot.sig": status(http.StatusNotFound)}
	key, config := v.read(keyFile), v.read(configFile)
	for _, trust := range []string{"", "[trust]\nprehashed_only = false\ncontent_binding = false\n"} {
		v.write(configFile, config+trust)
		v.serves(instead(tlsserver.Files(webroot), unsigned))
		v.refuses("SignatureInvalid", "no signature"+trust)
		v.serves(instead(tlsserver.Files(webroot), releaseOf(build(t, release.Options{Key: newKey(t)}), "clipos")))
		v.refuses("SignatureInvalid", "another's signature"+trust)
		v.must(os.Remove(v.at(keyFile)))
		v.refuses("ConfigInvalid", "no key"+trust)
		v.write(keyFile, "")
		v.refuses("ConfigInvalid", "an empty key"+trust)
		v.write(keyFile, key)
	}
	v.write(configFile, config)
	v.updates()
}

// RAUC signed and verified only the first bytes of a bundle of more than 2 GiB:
// its length did not fit. Here the genuine image is the beginning of one that is
// longer by 4 GiB, so that the length, cut to 32 bits, is the genuine one's. It
// lies in the cache, sparse, as a download that needs only to be verified.
func TestCVE_2026_34155(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.keepsCache = true
	core := genuine(t, webroot, "core")
	sizeBytes := int64(len(core)) + 1<<32
	path, spare := v.at(cacheDir+"/"+offered+"-core"), v.at(machine.Volumes+"/core_"+fallback)
	v.replaceIn(configFile, `"2M"`, `"5G"`)
	v.must(os.WriteFile(path, []byte(core), 0o600), os.Truncate(path, sizeBytes))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	v.must(err)
	_, err = f.WriteAt([]byte("evil"), sizeBytes-4)
	v.must(err, f.Close())
	// Room for all of it. What is there is compared before and after without
	// that, or 5 GiB of nothing would be read twice.
	before := take(t, v.root)
	v.must(os.Truncate(spare, 5<<30))
	v.forges("core", body(flipped(core, 12345))) // the server has something else
	tried.Add(1)
	o := v.run()
	if _, name, err := machine.ErrorLine(o.stderr); o.exit != 1 || err != nil || name != "SignatureInvalid" {
		t.Errorf("exit status %d, %v\n%s", o.exit, err, o.stderr)
	}
	if o.memoryBytes > maxMemoryBytes {
		t.Errorf("%d MiB of memory", o.memoryBytes>>20)
	}
	was := before[machine.Volumes+"/core_"+fallback]
	v.must(os.Truncate(spare, machine.VolumeBytes))
	content, err := digest(spare)
	if v.must(err); !strings.HasSuffix(was, content) {
		t.Errorf("the fallback is %s, was %s", content, was)
	}
	after := take(t, v.root)
	delete(before, machine.Volumes+"/core_"+fallback)
	delete(after, machine.Volumes+"/core_"+fallback)
	after.sameAs(t, before)
}
